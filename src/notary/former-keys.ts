import { setImmediate } from 'node:timers/promises';
import type { Repository } from '../oci/reference.ts';
import type { Store } from '../store/store.ts';
import type { FormerKeys } from '../trust/dct/trust-data.ts';
import { readRoot } from '../tuf/root.ts';
import type { SigningRole } from '../tuf/threshold.ts';

/**
 * Roots that are looked at, and their bytes: a repository gets one with each rotation of a key, of a few
 * kilobytes, but its owner may make them as large and as many as the bounds of an upload allow (T-60).
 */
const ROOTS = 1024;
const BYTES = 8 * 1024 * 1024;

/**
 * Reads the keys that a repository's roots have listed, up to the newest one. All of them were verified
 * when they came. `null` where one is missing (after a deletion, or an import without them), or there
 * are too many or too large: what it listed is not known then. Rejects as the store does.
 */
export async function formerKeys(
  store: Pick<Store, 'trustFile'>,
  repository: Repository,
  newest: number,
): Promise<FormerKeys | null> {
  if (newest > ROOTS) return null;
  const keys = { root: new Set<string>(), targets: new Set<string>() };
  let bytes = 0;
  for (let version = 1; version <= newest; version++) {
    const file = await store.trustFile(repository, 'root', { version });
    bytes += file?.bytes.byteLength ?? 0;
    const root = file === null || bytes > BYTES ? null : readRoot(file.bytes);
    if (root?.ok !== true) return null;
    // The store answers at once: without this nobody else would get a turn before the last root.
    await setImmediate();
    for (const role of ['root', 'targets'] as const) add(keys[role], root.value.roles[role]);
  }
  return keys;
}

function add(ids: Set<string>, { keys }: SigningRole): void {
  for (const { key } of keys.values()) if (key !== null) ids.add(key.id);
}
