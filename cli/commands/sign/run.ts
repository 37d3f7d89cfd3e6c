import type { NamedSigner } from '../../../src/keys/resolve-signer.ts';
import { resolveSigner } from '../../../src/keys/resolve-signer.ts';
import type { RegistryClient } from '../../../src/oci/client.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import type { Reference } from '../../../src/oci/reference.ts';
import { formatReference } from '../../../src/oci/reference.ts';
import type { FormatName } from '../../../src/trust/format.ts';
import { dctImageSigner } from '../../../src/trust/dct/image-signer.ts';
import type { TrustSession } from '../../../src/trust/dct/session.ts';
import type { ImageSigner, ImageSigning, SignedImage } from '../../../src/trust/sign.ts';
import { askSize } from '../../api/decisions.ts';
import { nameHint } from '../../api/registry-name.ts';
import type { Context } from '../../commands.ts';
import { dockerConfigFolder } from '../../../src/config/docker-folder.ts';
import type { Output } from '../../output.ts';
import { passphrases } from '../../passphrase.ts';
import type { RegistryFlags } from '../../registry.ts';
import { openRegistry, parseImage } from '../../registry.ts';
import { imageSigners, SIGNED_FORMATS } from '../../signature-format.ts';
import { openTrust } from '../../trust-server.ts';
import { signTarget } from './sign-target.ts';
import { chooseDigest, signingSink } from './target.ts';
import { stillHeld } from './waiting.ts';

/** The options of `sign`. */
export interface SignFlags extends RegistryFlags {
  readonly key?: string;
  readonly format?: readonly FormatName[];
  readonly annotation?: Readonly<Record<string, string>>;
  readonly recursive: boolean;
  readonly renew?: boolean;
  readonly passphraseFile?: string;
}

interface Target {
  readonly image: Reference;
  readonly client: RegistryClient;
  readonly digest: Digest;
}

/** One image argument, done. */
interface SignedReference {
  readonly image: string;
  readonly tag: string | null;
  readonly digest: Digest;
  readonly key: string;
  readonly signed: readonly SignedImage[];
  /** Why it is still held; `null` where it is not, as far as anybody tells. */
  readonly held: string | null;
}

/** `sign`: finds what each image means before the key is opened, then signs one after the other. */
export async function runSign(
  context: Context,
  images: readonly string[],
  flags: SignFlags,
): Promise<void> {
  const output = context.output();
  const annotations = flags.annotation ?? {};
  const references = images.map(parseImage);
  const clients = new Map<string, RegistryClient>();
  const sessions = new Map<string, TrustSession>();
  const trustOf = (host: string): TrustSession => {
    const session =
      sessions.get(host) ?? openTrust(host, flags, context.env, (line) => output.warn(line));
    sessions.set(host, session);
    return session;
  };
  try {
    const targets: Target[] = [];
    for (const image of references) {
      const client = clients.get(image.host) ?? openRegistry(image, flags, context.env);
      clients.set(image.host, client);
      targets.push({ image, client, digest: await chooseDigest(client, image) });
    }
    const signer = await resolveSigner({
      key: flags.key,
      dockerConfig: dockerConfigFolder(context.env),
      passphrase: passphrases({ env: context.env, file: flags.passphraseFile }).open,
    });
    const done: SignedReference[] = [];
    for (const target of targets) {
      const { image, digest } = target;
      const formats = formatsOf(flags, signer, target, () => trustOf(image.host), output);
      const signing = signingOf(target, signer, formats, annotations, flags.renew ?? false);
      const signed = await signTarget(signing, flags.recursive, flags.format !== undefined, output);
      const name = formatReference({ ...image, digest });
      const held = await stillHeld(target.client, image, digest);
      const key = signer.publicKey.id;
      done.push({ image: name, tag: image.tag ?? null, digest, key, signed, held });
      output.note(summary(name, signed, digest));
      if (held !== null) output.note(`still held: ${held}`);
    }
    output.result({ images: done }, () => done.map((one) => one.image).join('\n'));
  } finally {
    for (const client of clients.values()) await client.close();
    for (const { server } of sessions.values()) await server.close();
  }
}

/** The formats to sign in; `dct` is opened only where it is one of them. */
function formatsOf(
  { format }: SignFlags,
  signer: NamedSigner,
  { client, image }: Target,
  trust: () => TrustSession,
  output: Output,
): readonly ImageSigner[] {
  const names = format ?? SIGNED_FORMATS;
  const dct = names.includes('dct')
    ? dctImageSigner({
        session: trust(),
        signer,
        required: format !== undefined,
        passedOver: (line) => output.note(line),
        hint: async () => nameHint(client, image),
        hiddenSize: async ({ repository, digest }) => askSize(client, { repository, digest }),
      })
    : null;
  return imageSigners(names, dct);
}

function signingOf(
  target: Target,
  signer: NamedSigner,
  formats: readonly ImageSigner[],
  annotations: Readonly<Record<string, string>>,
  renew: boolean,
): ImageSigning {
  const { image, client, digest } = target;
  return {
    subject: { repository: image.repository, digest },
    tag: image.tag ?? null,
    signer,
    formats,
    annotations,
    sink: signingSink(client, image, digest),
    renew,
  };
}

function summary(name: string, signed: readonly SignedImage[], root: Digest): string {
  const children = new Set(signed.map((one) => one.digest));
  children.delete(root);
  const formats = [...new Set(signed.map((one) => one.format))].join(', ');
  const more = children.size === 0 ? '' : `, with ${children.size} that it contains`;
  const what = signed.some((one) => one.written) ? 'signed' : 'was signed before';
  return `${name} ${what} (${formats}${more})`;
}
