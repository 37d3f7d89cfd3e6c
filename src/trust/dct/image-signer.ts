import { codeOf, CountersignError } from '../../lib/errors.ts';
import { shortDigest } from '../../oci/digest.ts';
import type { EvidenceSink, SignRequest } from '../format.ts';
import type { ImageSigner } from '../sign.ts';
import { targetOf } from './sign-tag.ts';
import type { TagSigner } from './tag-signer.ts';

/**
 * Tells the size of a manifest that the registry does not show before it is trusted; `null` where
 * nobody does. Throws what asking throws.
 */
export type HiddenSize = (
  image: Pick<SignRequest, 'repository' | 'digest'>,
) => Promise<number | null>;

/** How a tag's entry in the signed map is written beside an image's other signatures. */
export interface DctSigning {
  /** What signs tags at the registry's trust server, for other images too. */
  readonly tags: TagSigner;
  /** True where the person asked for this format: then a digest without a tag is an error. */
  readonly required: boolean;
  /** Told where there is no tag to sign. */
  readonly passedOver: (line: string) => void;
  readonly hiddenSize?: HiddenSize;
}

/** Why a digest alone is not signed in this format. */
export const NO_TAG =
  'it signs tags, and none was named; write HOST/NAME:TAG@sha256:… to sign the digest under a tag';

/**
 * Signs an image's tag in its repository's Notary v1 trust data. A digest without a tag has no place
 * there, nor has what an index contains.
 */
export function dctImageSigner({
  tags,
  required,
  passedOver,
  hiddenSize,
}: DctSigning): ImageSigner {
  const refuseDigest = (tag: string | null): void => {
    if (tag === null && required)
      throw new CountersignError('USAGE', `cannot sign in dct: ${NO_TAG}`);
  };
  return {
    name: 'dct',
    onlyImage: true,
    prepare: async ({ repository, tag }) => {
      refuseDigest(tag);
      if (tag !== null) await tags.prepare(repository);
    },
    sign: async (request, _signer, sink) => {
      const { repository: gun, tag, digest, renew = false } = request;
      refuseDigest(tag);
      if (tag === null) {
        passedOver(`not signed in dct: ${NO_TAG}`);
        return null;
      }
      const length = await manifestSize(request, sink, hiddenSize);
      const entry = targetOf({ digest, length });
      const written = await tags.sign(gun, new Map([[tag, entry]]), renew);
      return written === null ? null : { written };
    },
  };
}

/**
 * The size of what is signed, which stands beside the digest in the map. Throws MANIFEST_UNKNOWN where the
 * registry lacks the manifest, FORBIDDEN where it does not show it and nobody tells.
 */
export async function manifestSize(
  image: Pick<SignRequest, 'repository' | 'digest'>,
  sink: EvidenceSink,
  hiddenSize: HiddenSize = () => Promise.resolve(null),
): Promise<number> {
  const short = shortDigest(image.digest);
  try {
    const manifest = await sink.manifest(image.digest);
    if (manifest !== null) return manifest.bytes.length;
  } catch (error) {
    if (codeOf(error) !== 'FORBIDDEN') throw error;
    const told = await hiddenSize(image);
    if (told !== null) return told;
    throw new CountersignError(
      'FORBIDDEN',
      `not signed in dct: ${short} cannot be read before it is trusted, and its size is signed too; push it again where pushes are held, or sign it in another format that its policy takes first`,
      { cause: error },
    );
  }
  throw new CountersignError(
    'MANIFEST_UNKNOWN',
    `the registry has no manifest ${short}; push it first`,
  );
}
