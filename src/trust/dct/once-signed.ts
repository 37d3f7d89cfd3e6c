import type { Repository } from '../../oci/reference.ts';
import type { StoredEntry } from '../../store/trust-data.ts';
import type { TrustedRepository } from '../../tuf/repository.ts';
import { findingsOf } from '../finding.ts';
import type { Authority, Finding, MapEntry } from '../format.ts';
import type { Voice } from './voices.ts';
import { rolesOf } from './voices.ts';

/** An entry that was published once by a key that speaks for an authority; of each key the newest. */
export interface OnceSigned {
  readonly authority: string;
  readonly entry: StoredEntry;
}

/** What was signed once and stands no more, by those who are asked for; of each key the newest. */
export function onceSigned(
  stored: readonly StoredEntry[],
  voices: readonly Voice[],
  trusted: TrustedRepository,
  authorities: readonly Authority[],
): readonly OnceSigned[] {
  const out = new Map<string, OnceSigned>();
  for (const { name, keys } of authorities) {
    const roles = rolesOf(name, trusted);
    for (const entry of stored) {
      const { role, tag, keyId } = entry;
      // The repository's own keys are whoever held the roles when it was published.
      const speaks = keys.length === 0 || keys.some((key) => key.id === keyId);
      if (!roles.includes(role) || !speaks || out.has(`${name} ${keyId}`)) continue;
      // What stands is told of as that, or is one tag too many: never as what was said once.
      const stands = voices.some(
        (one) =>
          one.authority === name &&
          one.role === role &&
          one.signers.has(keyId) &&
          one.says(tag) === entry.digest,
      );
      if (!stands) out.set(`${name} ${keyId}`, { authority: name, entry });
    }
  }
  return [...out.values()];
}

/** The finding of it. */
export function pastFinding(
  { authority, entry }: OnceSigned,
  repository: Repository,
  common: Pick<MapEntry, 'expires' | 'root' | 'standsOn'>,
): Finding {
  const { role, tag, keyId, publishedAt } = entry;
  return findingsOf('dct')('valid', `${role} once said that ${tag} is this digest`, {
    authority,
    keyId,
    signed: { repository, tag },
    signedAt: publishedAt === null ? null : { time: new Date(publishedAt), trusted: true },
    entry: { ...common, current: false, contradictedBy: [] },
  });
}
