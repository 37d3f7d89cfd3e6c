import { dockerConfigFolder } from '../../../src/config/docker-folder.ts';
import { resolveSigner } from '../../../src/keys/resolve-signer.ts';
import type { RegistryClient } from '../../../src/oci/client.ts';
import type { Reference } from '../../../src/oci/reference.ts';
import { dctImageSigner } from '../../../src/trust/dct/image-signer.ts';
import type { FormatName } from '../../../src/trust/format.ts';
import type { ImageSigning } from '../../../src/trust/sign.ts';
import { nameHint } from '../../api/registry-name.ts';
import type { Context } from '../../commands.ts';
import { passphrases } from '../../passphrase.ts';
import type { RegistryFlags } from '../../registry.ts';
import { imageSigners, SIGNED_FORMATS } from '../../signature-format.ts';
import { openTagSigners } from '../sign/signings.ts';

/** What the command line says about the signature of what is pushed. */
export interface SigningFlags {
  readonly key?: string;
  readonly format?: readonly FormatName[];
  readonly annotation?: Readonly<Record<string, string>>;
  readonly disableContentTrust?: boolean;
  readonly passphraseFile?: string;
}

/** What the pushed image is signed with: a key that is open already, and the formats. */
export type Signing = Pick<ImageSigning, 'signer' | 'formats' | 'annotations'> & {
  readonly close: () => Promise<void>;
};

/**
 * Opens what the pushed image is signed with, its key first; `undefined` where the person has said no to
 * signing, and is told so. Whoever gets one calls `close`. Throws as {@link resolveSigner} does.
 */
export async function openSigning(
  context: Context,
  client: RegistryClient,
  image: Reference,
  options: RegistryFlags & SigningFlags,
): Promise<Signing | undefined> {
  const variable = context.env['DOCKER_CONTENT_TRUST'] ?? '';
  // docker's unset means off; signing is what this command is for, so only an explicit no counts.
  const skipped =
    options.disableContentTrust === true
      ? '--disable-content-trust'
      : `DOCKER_CONTENT_TRUST=${variable}`;
  if (options.disableContentTrust === true || /^(?:0|f|false)$/i.test(variable)) {
    context.output().warn(`the image is pushed without a signature (${skipped})`);
    return undefined;
  }
  const signer = await resolveSigner({
    key: options.key,
    dockerConfig: dockerConfigFolder(context.env),
    passphrase: passphrases({ env: context.env, file: options.passphraseFile }).open,
  });
  const output = context.output();
  const names = options.format ?? SIGNED_FORMATS;
  const tags = openTagSigners(context, options, signer, () => nameHint(client, image));
  const dct = names.includes('dct')
    ? dctImageSigner({
        tags: tags.of(image.host),
        required: options.format !== undefined,
        passedOver: (line) => output.note(line),
      })
    : null;
  return {
    signer,
    formats: imageSigners(names, dct),
    annotations: options.annotation ?? {},
    close: () => tags.close(),
  };
}
