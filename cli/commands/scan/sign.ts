import { resolveSigner } from '../../../src/keys/resolve-signer.ts';
import { dockerConfigFolder } from '../../../src/config/docker-folder.ts';
import { codeOf, ERRORS, messageOf } from '../../../src/lib/errors.ts';
import { eachParallel } from '../../../src/lib/parallel.ts';
import { formatReference } from '../../../src/oci/reference.ts';
import type { FormatName } from '../../../src/trust/format.ts';
import type { Context } from '../../commands.ts';
import { openClients } from '../../clients.ts';
import { showCounting } from '../../counting.ts';
import { interruptible } from '../../interrupt.ts';
import { passphrases } from '../../passphrase.ts';
import type { RegistryFlags } from '../../registry.ts';
import { openRegistry } from '../../registry.ts';
import { imageSigners } from '../../signature-format.ts';
import { PATIENT, Patience } from './patience.ts';
import type { Reviewed } from './review.ts';
import { readReview } from './review.ts';
import type { SignedLine } from './sign-line.ts';
import { LineSigner } from './sign-line.ts';

/** The options of signing a reviewed list. */
export interface SignReviewFlags extends RegistryFlags {
  readonly key?: string;
  readonly format?: readonly FormatName[];
  readonly annotation?: Readonly<Record<string, string>>;
  readonly passphraseFile?: string;
  readonly force?: boolean;
}

/** Digests signed at a time. */
const WIDTH = 4;
/**
 * A digest under more tags than this gets one signature for the repository instead of one that names
 * each tag: of one digest only so many signatures count (LIMITS.signatures), and others sign too.
 */
const NAMED_TAGS = 16;

/**
 * Signs exactly the digests of a reviewed file. The whole file is read before the key is opened, and
 * nothing is signed where one line of it is malformed. A failure does not keep the others; what is
 * signed already is found to be so, so that the same command again completes what was broken off.
 */
export async function runSignReview(
  context: Context,
  file: string,
  flags: SignReviewFlags,
): Promise<void> {
  const output = context.output();
  const images = await readReview(file);
  const signer = await resolveSigner({
    key: flags.key,
    dockerConfig: dockerConfigFolder(context.env),
    passphrase: passphrases({ env: context.env, file: flags.passphraseFile }).open,
  });
  const work = interruptible();
  const clients = openClients((host) =>
    openRegistry({ host }, flags, context.env, work.signal, PATIENT),
  );
  const counting = showCounting(output, { doing: 'signed', total: images.length });
  const done = new Map<string, SignedLine>();
  try {
    const lines = new LineSigner({
      signer,
      // A reviewed list is of digests: it says nothing of what a tag is to be from now on.
      formats: imageSigners(flags.format ?? ['cosign'], null),
      annotations: flags.annotation ?? {},
      force: flags.force ?? false,
      clientOf: clients.of,
      output,
    });
    const patience = new Patience('the same command again goes on');
    let failed = 0;
    await eachParallel(byDigest(images), WIDTH, async (group) => {
      // Those of one digest go to one signature tag: one after the other, so that none waits for another.
      for (const image of group) {
        work.signal.throwIfAborted();
        const line = await lines.sign(image, group.length <= NAMED_TAGS);
        work.signal.throwIfAborted();
        done.set(line.image, line);
        if (line.status !== 'signed' && line.status !== 'signed-before') failed++;
        counting.step(`${failed} not signed`);
        if (line.error === null) patience.well();
        else patience.failed(line.error.message);
      }
    });
  } catch (error) {
    if (!work.signal.aborted) output.warn(messageOf(error));
    else output.warn('interrupted; the same command again goes on');
    context.exit(ERRORS[codeOf(error)].exit);
  } finally {
    counting.end();
    await clients.close();
  }
  const all = images.map((image) => done.get(formatReference(image)) ?? unsigned(image));
  output.result({ key: signer.publicKey.id, images: all }, () => text(all));
  if (done.size === images.length) context.exit(exitOf(all));
  work.end();
}

function byDigest(images: readonly Reviewed[]): Iterable<readonly Reviewed[]> {
  return Map.groupBy(images, ({ repository, digest }) => `${repository}@${digest}`).values();
}

const unsigned = (image: Reviewed): SignedLine => ({
  image: formatReference(image),
  status: 'not-reached',
  now: null,
  error: null,
});

function exitOf(lines: readonly SignedLine[]): 0 | 1 | 3 {
  if (lines.some(({ error }) => error !== null && ERRORS[error.code].exit === 3)) return 3;
  return lines.every(({ status }) => status === 'signed' || status === 'signed-before') ? 0 : 1;
}

function text(lines: readonly SignedLine[]): string {
  const count = (status: SignedLine['status']): number =>
    lines.filter((line) => line.status === status).length;
  const parts = lines.flatMap((line) => describe(line));
  const rest = (['moved', 'gone', 'failed', 'not-reached'] as const)
    .map((status) => [status, count(status)] as const)
    .filter(([, n]) => n > 0)
    .map(([status, n]) => `, ${n} ${status.replace('-', ' ')}`);
  const summary = `${count('signed')} signed, ${count('signed-before')} signed before${rest.join('')}`;
  return [...parts, summary].join('\n');
}

function describe({ image, status, now, error }: SignedLine): readonly string[] {
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
      return [];
  }
}
