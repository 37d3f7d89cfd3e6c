import type { Repository } from '../oci/reference.ts';
import type { Store } from '../store/store.ts';
import type { FormerKeys } from '../trust/dct/trust-data.ts';
import { readRoot } from '../tuf/root.ts';
import type { SigningRole } from '../tuf/threshold.ts';

/** Roots that are looked at; a repository gets one with each rotation of a key. */
const ROOTS = 1024;

/**
 * Reads the keys that a repository's roots have listed, up to the newest one. All of them were verified
 * when they came. `null` where one is missing (after a deletion, or an import without them), or there
 * are too many: what it listed is not known then. Rejects as the store does.
 */
export async function formerKeys(
  store: Pick<Store, 'trustFile'>,
  repository: Repository,
  newest: number,
): Promise<FormerKeys | null> {
  if (newest > ROOTS) return null;
  const keys = { root: new Set<string>(), targets: new Set<string>() };
  for (let version = 1; version <= newest; version++) {
    const file = await store.trustFile(repository, 'root', { version });
    const root = file === null ? null : readRoot(file.bytes);
    if (root?.ok !== true) return null;
    for (const role of ['root', 'targets'] as const) add(keys[role], root.value.roles[role]);
  }
  return keys;
}

function add(ids: Set<string>, { keys }: SigningRole): void {
  for (const { key } of keys.values()) if (key !== null) ids.add(key.id);
}
