import type { Digest } from '../../oci/digest.ts';
import { algorithmOf, hexOf, isDigest } from '../../oci/digest.ts';

/** Media types of what cosign attaches to an image by tag. */
export const COSIGN_MEDIA = {
  simpleSigning: 'application/vnd.dev.cosign.simplesigning.v1+json',
  dsse: 'application/vnd.dsse.envelope.v1+json',
} as const;

/** The layer annotation that holds the signature over the layer's bytes, in base64. */
export const SIGNATURE_ANNOTATION = 'dev.cosignproject.cosign/signature';

/** What cosign says of a DSSE envelope's statement: it is a signature, and nothing but that (cosign 3). */
export const SIGN_PREDICATE = 'https://sigstore.dev/cosign/sign/v1';

/** The manifest annotation that tells, unsigned, the kind of statement in a bundle. */
export const PREDICATE_ANNOTATION = 'dev.sigstore.bundle.predicateType';

/** What an artifact tag holds: signatures, or attestations. */
export type ArtifactKind = 'sig' | 'att';

/**
 * The tag that holds the signatures for a digest, or `null` where there can be none: of a sha512
 * digest the tag would have 139 characters, and OCI distribution-spec allows 128.
 */
export function signatureTag(digest: Digest): string | null {
  return algorithmOf(digest) === 'sha256' ? `sha256-${hexOf(digest)}.sig` : null;
}

/** The digest and the kind that an artifact tag names, or `null` for any other tag. */
export function parseArtifactTag(
  tag: string,
): { readonly digest: Digest; readonly kind: ArtifactKind } | null {
  const match = /^sha256-([0-9a-f]{64})\.(sig|att)$/.exec(tag);
  const digest = `sha256:${match?.[1] ?? ''}`;
  return match !== null && isDigest(digest) ? { digest, kind: match[2] as ArtifactKind } : null;
}
