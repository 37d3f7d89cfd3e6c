import type { Digest } from '../oci/digest.ts';
import { tagInMap } from '../trust/dct/tag-in-map.ts';
import type { TrustData } from '../trust/dct/trust-data.ts';
import type { Authority } from '../trust/format.ts';
import type { Revocation } from '../store/store.ts';
import { askedBy, mapAuthorities } from './match.ts';
import type { Governing } from './policy.ts';

/** True where the signed map is to be asked what a tag is. */
export function asksMap(governing: Governing | null): governing is Governing {
  return governing !== null && askedBy(governing).signedTags;
}

/**
 * What the signed map says that a tag is, by those whom the policies ask and whose keys hold; `null`
 * where it says nothing and where its trust data cannot be believed. Then the registry may name a
 * digest, which the decision refuses under `tags: signed`, since no map confirms it.
 */
export function meantTag(
  governing: Governing,
  data: TrustData | null,
  tag: string,
  authorities: readonly Authority[],
  revocations: readonly Revocation[],
): Digest | null {
  if (data?.current.ok !== true) return null;
  const revoked = revocations.flatMap((one) => (one.kind === 'key' ? [one.keyId] : []));
  const asked = mapAuthorities(governing, authorities);
  return tagInMap(data.current.value, tag, asked, new Set(revoked));
}
