import type { StoredEntry } from '../../store/trust-data.ts';
import type { TrustedRepository } from '../../tuf/repository.ts';
import { signingRoleOf } from '../../tuf/repository.ts';
import { RELEASES } from '../../tuf/role-name.ts';
import type { Root } from '../../tuf/root.ts';
import { signersOf } from '../../tuf/threshold.ts';
import { REPOSITORY } from '../format.ts';
import type { FormerKeys } from './trust-data.ts';

/** Every pull of a signed tag asks; what was verified is not verified again. */
const rootSignersOf = new WeakMap<Root, readonly string[]>();

/**
 * The keys that handed a role on, on which its word stands too: the root's, and for `targets/releases` those
 * of `targets`. None for a person, whose word is his key's.
 */
export function handedOnBy(
  { root, tree }: TrustedRepository,
  authority: string,
  role: string,
): readonly string[] {
  if (authority !== REPOSITORY.name) return [];
  const roots = rootSignersOf.get(root) ?? [...signersOf(root.envelope, root.roles.root).keys()];
  rootSignersOf.set(root, roots);
  const targets = role === RELEASES ? (tree.roles.get('targets')?.signers.keys() ?? []) : [];
  return [...roots, ...targets];
}

/**
 * The same of what was said once. While the role still lists its key, those who hand the role on today
 * answer for it. Of a key that is listed no longer nobody wrote down who did: it stands on every key that
 * ever could, so that a thief's delegates fall with the stolen key although that was rotated away. `null`
 * where it is not known which those are: then it counts for nothing.
 */
export function handedOnOnce(
  repository: TrustedRepository,
  authority: string,
  { role, keyId }: Pick<StoredEntry, 'role' | 'keyId'>,
  former: FormerKeys | null,
): readonly string[] | null {
  const now = handedOnBy(repository, authority, role);
  if (authority !== REPOSITORY.name || lists(repository, role, keyId)) return now;
  if (former === null) return null;
  const targets = role === RELEASES ? former.targets : [];
  return [...new Set([...now, ...former.root, ...targets])];
}

/** True where the role's file may be signed by that key now. */
function lists(repository: TrustedRepository, role: string, keyId: string): boolean {
  const signing = signingRoleOf(repository, role);
  return [...(signing?.keys.values() ?? [])].some(({ key }) => key?.id === keyId);
}
