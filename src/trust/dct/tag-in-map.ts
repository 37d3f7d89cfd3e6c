import type { Digest } from '../../oci/digest.ts';
import type { TrustedRepository } from '../../tuf/repository.ts';
import type { Authority } from '../format.ts';
import { hear } from './hear.ts';

/**
 * What the signed map says that a tag is, by those who are asked for and whose keys were not revoked;
 * `null` where none of them says anything. Where they disagree it is what the first of them says: what
 * becomes of it then is for the decision on that digest, whose findings name the others.
 */
export function tagInMap(
  trusted: TrustedRepository,
  tag: string,
  authorities: readonly Authority[],
  revokedKeys: ReadonlySet<string>,
): Digest | null {
  for (const voice of hear(trusted, authorities).voices) {
    if ([voice.keyId, ...voice.standsOn].some((id) => revokedKeys.has(id))) continue;
    const said = voice.says(tag);
    if (said !== null) return said;
  }
  return null;
}
