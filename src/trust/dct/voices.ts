import type { Digest } from '../../oci/digest.ts';
import type { TrustedRepository } from '../../tuf/repository.ts';
import { isDelegation, parentOf, RELEASES } from '../../tuf/role-name.ts';
import { REPOSITORY } from '../format.ts';

/** What one key says about tags, in a role that speaks for an authority. */
export interface Voice {
  readonly authority: string;
  readonly role: string;
  /** Of the policy's key that signed the role's file; of {@link REPOSITORY}, any key that did. */
  readonly keyId: string;
  /** All keys that signed the role's file. */
  readonly signers: ReadonlySet<string>;
  /** See `MapEntry.standsOn`. */
  readonly standsOn: readonly string[];
  /** Digest of the role's file. */
  readonly evidence: Digest;
  /** What it says that a tag is; `null` where it says nothing. One function for all keys of a role. */
  readonly says: (tag: string) => Digest | null;
  /** The tags that it says are this digest. */
  tagsOf(digest: Digest): readonly string[];
}

/** Why nothing can be heard of an authority whose role is there. */
export interface Mute {
  readonly authority: string;
  readonly reason: string;
}

/** Who speaks in a repository, of those that are asked for. */
export interface Heard {
  readonly voices: readonly Voice[];
  readonly mutes: readonly Mute[];
}

/**
 * The roles in which an authority's word counts: docker's two for {@link REPOSITORY}; for a person only
 * a role of its own, `targets/<name>`, or `targets` where nobody was delegated to: not where a delegation
 * without keys is what a removed signer left. `targets/releases` is written anew as a whole by whoever
 * signs, so that it says nothing of who meant an entry.
 */
export function rolesOf(authority: string, { tree }: TrustedRepository): readonly string[] {
  if (authority === REPOSITORY.name) return [RELEASES, 'targets'];
  if (tree.roles.get('targets')?.delegations.length === 0) return ['targets'];
  const own = `targets/${authority}`;
  const direct = isDelegation(own) && parentOf(own) === 'targets' && own !== RELEASES;
  return direct ? [own] : [];
}
