import { dockerConfigFolder } from '../../../src/config/docker-folder.ts';
import { resolveSigner } from '../../../src/keys/resolve-signer.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import { formatReference } from '../../../src/oci/reference.ts';
import type { ImageSigning, SignedImage } from '../../../src/trust/sign.ts';
import { prepareImage } from '../../../src/trust/sign.ts';
import { openClients } from '../../clients.ts';
import type { Context } from '../../commands.ts';
import { passphrases } from '../../passphrase.ts';
import { openRegistry, parseImage } from '../../registry.ts';
import { formatNames, report, summary } from './report.ts';
import { signTarget } from './sign-target.ts';
import type { SignFlags, Target } from './signings.ts';
import { hintOf, openTagSigners, sayingWhatStays, signingOf } from './signings.ts';
import { standingOf } from './standing.ts';
import { chooseDigest } from './target.ts';

/** One image argument, done. */
interface SignedReference {
  readonly image: string;
  readonly tag: string | null;
  readonly digest: Digest;
  readonly key: string;
  readonly signed: readonly SignedImage[];
  /** Why it is still held; `null` where it is not, as far as anybody tells. */
  readonly held: string | null;
  /** Why it may not be pulled all the same; `null` where it may, as far as anybody tells. */
  readonly denied: string | null;
}

/**
 * `sign`: finds what each image means before the key is opened, and asks for all that is new before
 * anything is written; then signs one after the other. Ends with 1 where an image is still denied or held
 * and a format was passed over that its policy asks for.
 */
export async function runSign(
  context: Context,
  images: readonly string[],
  flags: SignFlags,
): Promise<void> {
  const output = context.output();
  const references = images.map(parseImage);
  const clients = openClients((host) => openRegistry({ host }, flags, context.env));
  const opened: { close(): Promise<void> }[] = [clients];
  try {
    const targets: Target[] = [];
    for (const image of references) {
      const client = clients.of(image.host);
      targets.push({ image, client, digest: await chooseDigest(client, image) });
    }
    const signer = await resolveSigner({
      key: flags.key,
      dockerConfig: dockerConfigFolder(context.env),
      passphrase: passphrases({ env: context.env, file: flags.passphraseFile }).open,
    });
    const tags = openTagSigners(context, flags, signer, hintOf(targets));
    opened.push(tags);
    const signings = targets.map((target) => signingOf(target, signer, tags.of, flags, output));
    for (const signing of signings) await prepareImage(signing);
    const done: SignedReference[] = [];
    for (const [at, target] of targets.entries()) {
      const signing = signings[at];
      if (signing !== undefined) done.push(await signOne(context, target, signing, flags));
    }
    output.result({ images: done }, () => done.map((one) => one.image).join('\n'));
  } finally {
    for (const each of opened) await each.close();
  }
}

async function signOne(
  context: Context,
  { image, client, digest }: Target,
  signing: ImageSigning,
  flags: SignFlags,
): Promise<SignedReference> {
  const output = context.output();
  const name = formatReference({ ...image, digest });
  const key = signing.signer.publicKey.id;
  const signed = await sayingWhatStays(signing, name, output, async (each) =>
    signTarget(each, flags.recursive, flags.format !== undefined, output),
  );
  const formats = formatNames(signed);
  const chosen = flags.format !== undefined;
  const standing = await standingOf(client, { image, digest, keyId: key, formats, chosen });
  report(context, summary(name, signed, digest), standing);
  const held = standing?.state === 'held' ? standing.reason : null;
  const denied = standing?.state === 'denied' ? standing.reason : null;
  return { image: name, tag: image.tag ?? null, digest, key, signed, held, denied };
}
