import type { TrustedRepository } from '../../tuf/repository.ts';
import type { TufKey } from '../../tuf/public-key.ts';
import { canonicalKeyId } from '../../tuf/public-key.ts';

const known = new WeakMap<TrustedRepository, ReadonlyMap<string, readonly string[]>>();

/**
 * Ids of keys, each once, with the ids by which docker and notary call those that the repository lists: its
 * own keys have no other name there, and a revocation under it must not be one of nothing (T-55).
 */
export function underAllIds(
  repository: TrustedRepository,
  ids: readonly string[],
): readonly string[] {
  const names = known.get(repository) ?? namesIn(repository);
  known.set(repository, names);
  return [...new Set([...ids, ...ids.flatMap((id) => names.get(id) ?? [])])];
}

function namesIn({ root, tree }: TrustedRepository): ReadonlyMap<string, readonly string[]> {
  const delegations = tree.roles.get('targets')?.delegations ?? [];
  // Each once: a thousand delegations may list the same thousand keys (T-60).
  const listed = new Set<TufKey>(root.keys.values());
  for (const { keys } of delegations) for (const one of keys.values()) listed.add(one);
  const names = new Map<string, string[]>();
  for (const one of listed) {
    if (one.key === null) continue;
    const same = names.get(one.key.id) ?? [];
    same.push(one.id, canonicalKeyId(one));
    names.set(one.key.id, same);
  }
  return names;
}
