import { resolveSigner } from '../../../src/keys/resolve-signer.ts';
import { dockerConfigFolder } from '../../../src/config/docker-folder.ts';
import { codeOf, CountersignError, ERRORS, messageOf } from '../../../src/lib/errors.ts';
import { eachParallel } from '../../../src/lib/parallel.ts';
import type { RegistryClient } from '../../../src/oci/client.ts';
import { formatReference } from '../../../src/oci/reference.ts';
import type { TagSigner } from '../../../src/trust/dct/tag-signer.ts';
import type { FormatName } from '../../../src/trust/format.ts';
import { nameHint } from '../../api/registry-name.ts';
import type { Context } from '../../commands.ts';
import { openClients } from '../../clients.ts';
import { showCounting } from '../../counting.ts';
import { interruptible } from '../../interrupt.ts';
import type { Output } from '../../output.ts';
import { passphrases } from '../../passphrase.ts';
import type { RegistryFlags } from '../../registry.ts';
import { openRegistry } from '../../registry.ts';
import { imageSigners, SIGNED_FORMATS } from '../../signature-format.ts';
import { openTagSigners } from '../sign/signings.ts';
import { PATIENT, Patience } from './patience.ts';
import type { Reviewed } from './review.ts';
import { readReview } from './review.ts';
import type { SignedLine } from './sign-line.ts';
import { lineEnded, LineSigner } from './sign-line.ts';
import { signRepository } from './sign-repository.ts';

/** The options of signing a reviewed list. */
export interface SignReviewFlags extends RegistryFlags {
  readonly key?: string;
  readonly format?: readonly FormatName[];
  readonly annotation?: Readonly<Record<string, string>>;
  readonly passphraseFile?: string;
  readonly force?: boolean;
}

/** Repositories at a time. */
const WIDTH = 2;

/**
 * Signs exactly the digests of a reviewed file, as `sign` does: their tags in `dct`, those of a repository
 * in one publish, and each digest in `cosign`. The whole file is read before the key is opened, and all
 * that is new is asked for before anything is written; nothing is signed where one line of it is malformed.
 * A failure does not keep the others; what is signed already is found to be so, so that the same command
 * again completes what was broken off. What its policy refuses all the same is said.
 */
export async function runSignReview(
  context: Context,
  file: string,
  flags: SignReviewFlags,
): Promise<void> {
  const output = context.output();
  const images = await readReview(file);
  const names = flags.format ?? SIGNED_FORMATS;
  if (names.includes('dct')) tellOfDigests(images, flags.format !== undefined, output);
  const signer = await resolveSigner({
    key: flags.key,
    dockerConfig: dockerConfigFolder(context.env),
    passphrase: passphrases({ env: context.env, file: flags.passphraseFile }).open,
  });
  const work = interruptible();
  const clients = openClients((host) =>
    openRegistry({ host }, flags, context.env, work.signal, PATIENT),
  );
  const tags = openTagSigners(context, flags, signer, hintIn(images, clients.of));
  const tagsAt = (host: string): TagSigner | null => (names.includes('dct') ? tags.of(host) : null);
  const repositories = Map.groupBy(images, ({ repository }) => repository);
  const done = new Map<string, SignedLine>();
  try {
    await prepareAll(images, tagsAt);
    const counting = showCounting(output, { doing: 'signed', total: images.length });
    try {
      const lines = new LineSigner({
        signer,
        formats: imageSigners(
          names.filter((name) => name !== 'dct'),
          null,
        ),
        annotations: flags.annotation ?? {},
        force: flags.force ?? false,
        clientOf: clients.of,
        output,
      });
      const patience = new Patience('the same command again goes on');
      let failed = 0;
      const ended = (line: SignedLine): void => {
        done.set(line.image, line);
        if (!isSigned(line)) failed++;
        counting.step(`${failed} not signed`);
        if (line.error === null) patience.well();
        else patience.failed(line.error.message);
      };
      await eachParallel(repositories.values(), WIDTH, async (group) => {
        const host = group[0]?.host ?? '';
        await signRepository(group, { lines, tags: tagsAt(host), signal: work.signal, ended });
      });
    } finally {
      counting.end();
    }
  } catch (error) {
    if (done.size === 0 && !work.signal.aborted) throw error;
    if (!work.signal.aborted) output.warn(messageOf(error));
    else output.warn('interrupted; the same command again goes on');
    context.exit(ERRORS[codeOf(error)].exit);
  } finally {
    await clients.close();
    await tags.close();
    work.end();
  }
  const all = images.map(
    (image) => done.get(formatReference(image)) ?? lineEnded(image, 'not-reached'),
  );
  output.result({ key: signer.publicKey.id, images: all }, () => text(all));
  if (done.size === images.length) context.exit(exitOf(all));
}

/** A digest alone is no tag that could be signed: said before, as the list is the person's to mend. */
function tellOfDigests(images: readonly Reviewed[], required: boolean, output: Output): void {
  const alone = images.filter(({ tag }) => tag === undefined);
  const [first] = alone;
  if (first === undefined) return;
  const which = `${alone.length} of ${images.length} lines name a digest and no tag, as ${formatReference(first)}; dct signs tags: write HOST/NAME:TAG@sha256:…`;
  if (required) throw new CountersignError('USAGE', `nothing was signed: ${which}`);
  output.warn(`not signed in dct: ${which}`);
}

/**
 * Asks for the new keys of all repositories before anything is written. What the servers say is said again,
 * with the lines that it concerns, once these are signed.
 */
async function prepareAll(
  images: readonly Reviewed[],
  tagsAt: (host: string) => TagSigner | null,
): Promise<void> {
  const tagged = images.filter(({ tag }) => tag !== undefined);
  for (const { repository, host } of new Map(tagged.map((one) => [one.repository, one])).values()) {
    try {
      await tagsAt(host)?.prepare(repository);
    } catch (error) {
      const code = codeOf(error);
      if (code === 'USAGE' || code.startsWith('PASSPHRASE_') || code.startsWith('KEY_'))
        throw error;
    }
  }
}

/** The sentence that names an image as its registry does. */
function hintIn(
  images: readonly Reviewed[],
  clientOf: (host: string) => RegistryClient,
): (gun: string) => Promise<string> {
  return async (gun) => {
    const image = images.find(({ repository }) => repository === gun);
    return image === undefined ? '' : nameHint(clientOf(image.host), { path: image.path });
  };
}

const isSigned = ({ status }: SignedLine): boolean =>
  status === 'signed' || status === 'signed-before';

function exitOf(lines: readonly SignedLine[]): 0 | 1 | 3 {
  if (lines.some(({ error }) => error !== null && ERRORS[error.code].exit === 3)) return 3;
  return lines.every((line) => isSigned(line) && line.refused === null) ? 0 : 1;
}

function text(lines: readonly SignedLine[]): string {
  const count = (status: SignedLine['status']): number =>
    lines.filter((line) => line.status === status).length;
  const parts = lines.flatMap((line) => describe(line));
  const rest = (['moved', 'gone', 'failed', 'not-reached'] as const)
    .map((status) => [status, count(status)] as const)
    .filter(([, n]) => n > 0)
    .map(([status, n]) => `, ${n} ${status.replace('-', ' ')}`);
  const refused = lines.filter((line) => line.refused !== null).length;
  const but = refused === 0 ? '' : `; ${refused} of them would be refused all the same`;
  const summary = `${count('signed')} signed, ${count('signed-before')} signed before${rest.join('')}${but}`;
  return [...parts, summary].join('\n');
}

function describe({ image, status, now, refused, error }: SignedLine): readonly string[] {
  switch (status) {
    case 'moved':
      return [
        `not signed: ${image}: the tag names ${now ?? 'another digest'} now; review it again, or sign the old digest with --force`,
      ];
    case 'gone':
      return [`not signed: ${image}: the tag is not there any more`];
    case 'failed':
      return [`not signed: ${image}: ${error?.message ?? ''}`];
    default:
      return refused === null ? [] : [`signed, but still refused: ${refused}`];
  }
}
