import type { PassphraseSource } from '../../../src/keys/passphrase.ts';
import type { NamedSigner } from '../../../src/keys/resolve-signer.ts';
import type { RegistryClient } from '../../../src/oci/client.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import type { Reference } from '../../../src/oci/reference.ts';
import { dctImageSigner } from '../../../src/trust/dct/image-signer.ts';
import type { TagSigner } from '../../../src/trust/dct/tag-signer.ts';
import { tagSigner } from '../../../src/trust/dct/tag-signer.ts';
import type { FormatName } from '../../../src/trust/format.ts';
import type { ImageSigner, ImageSigning, SignedImage } from '../../../src/trust/sign.ts';
import { askSize } from '../../api/decisions.ts';
import { nameHint } from '../../api/registry-name.ts';
import type { Clients } from '../../clients.ts';
import { openClients } from '../../clients.ts';
import type { Context } from '../../commands.ts';
import type { Output } from '../../output.ts';
import type { RegistryFlags } from '../../registry.ts';
import { imageSigners, SIGNED_FORMATS } from '../../signature-format.ts';
import { openTrust } from '../../trust-server.ts';
import { signingSink } from './target.ts';

/** The options of `sign`. */
export interface SignFlags extends RegistryFlags {
  readonly key?: string;
  readonly format?: readonly FormatName[];
  readonly annotation?: Readonly<Record<string, string>>;
  readonly recursive: boolean;
  readonly renew?: boolean;
  readonly passphraseFile?: string;
}

/** An image argument, and the one digest that it means. */
export interface Target {
  readonly image: Reference;
  readonly client: RegistryClient;
  readonly digest: Digest;
}

/** What signs tags, one for each host; its repositories' keys are asked for once. */
export function openTagSigners(
  context: Context,
  flags: RegistryFlags & Pick<SignFlags, 'format' | 'passphraseFile'>,
  signer: NamedSigner,
  hint: (gun: string) => Promise<string>,
): Clients<TagSigner & { close(): Promise<void> }> {
  const output = context.output();
  return openClients((host) => {
    const trust = openTrust(host, flags, context.env, (line) => output.warn(line));
    const session = { ...trust, fresh: oncePerRole(trust.fresh) };
    const tags = tagSigner({
      session,
      signer,
      required: flags.format !== undefined,
      passedOver: (line) => output.note(line),
      hint,
    });
    return { ...tags, close: async () => session.server.close() };
  });
}

/**
 * Of many repositories that begin together the new keys get one passphrase for each role, as docker's do:
 * nobody types it for each of forty repositories.
 */
function oncePerRole(fresh: PassphraseSource): PassphraseSource {
  const given = new Map<string | null, string>();
  return async (request) => {
    const passphrase = given.get(request.role) ?? (await fresh(request));
    given.set(request.role, passphrase);
    return passphrase;
  };
}

/** The sentence that names an image as its registry does, for those of the targets. */
export function hintOf(targets: readonly Target[]): (gun: string) => Promise<string> {
  return async (gun) => {
    const target = targets.find(({ image }) => image.repository === gun);
    return target === undefined ? '' : nameHint(target.client, target.image);
  };
}

/** What is to be signed, and in which formats; `dct` is opened only where it is one of them. */
export function signingOf(
  target: Target,
  signer: NamedSigner,
  tagsAt: (host: string) => TagSigner,
  flags: SignFlags,
  output: Output,
): ImageSigning {
  const { image, client, digest } = target;
  const { annotation = {}, renew = false } = flags;
  return {
    subject: { repository: image.repository, digest },
    tag: image.tag ?? null,
    signer,
    formats: formatsOf(flags, target, tagsAt, output),
    annotations: annotation,
    sink: signingSink(client, image, digest),
    renew,
  };
}

function formatsOf(
  { format }: SignFlags,
  { client, image }: Target,
  tagsAt: (host: string) => TagSigner,
  output: Output,
): readonly ImageSigner[] {
  const names = format ?? SIGNED_FORMATS;
  const dct = names.includes('dct')
    ? dctImageSigner({
        tags: tagsAt(image.host),
        required: format !== undefined,
        passedOver: (line) => output.note(line),
        hiddenSize: async ({ repository, digest }) => askSize(client, { repository, digest }),
      })
    : null;
  return imageSigners(names, dct);
}

/** Where a later format fails, says which have been written: they count from then on. Throws what the work throws. */
export async function sayingWhatStays(
  signing: ImageSigning,
  name: string,
  output: Output,
  work: (signing: ImageSigning) => Promise<readonly SignedImage[]>,
): Promise<readonly SignedImage[]> {
  const written = new Set<FormatName>();
  const formats = signing.formats.map((format): ImageSigner => ({
    ...format,
    sign: async (request, signer, sink) => {
      const done = await format.sign(request, signer, sink);
      if (done?.written === true && request.digest === signing.subject.digest)
        written.add(format.name);
      return done;
    },
  }));
  try {
    return await work({ ...signing, formats });
  } catch (error) {
    if (written.size > 0)
      output.warn(`${name} was signed (${[...written].join(', ')}) before the rest failed`);
    throw error;
  }
}
