import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Repository } from '../../../src/oci/reference.ts';
import { parseRepository } from '../../../src/oci/reference.ts';
import { trustCache } from '../../../src/trust/dct/trust-cache.ts';

/** A root that docker or countersign has seen on this machine. */
export interface CachedRoot {
  readonly repository: Repository;
  readonly bytes: Uint8Array;
}

const DEPTH = 16;
const MOST = 1000;

/** The roots below `$DOCKER_CONFIG/trust/tuf`, by repository; at most 1000. */
export async function cachedRoots(dockerConfig: string): Promise<readonly CachedRoot[]> {
  const cache = trustCache(dockerConfig);
  const roots: CachedRoot[] = [];
  const walk = async (path: string, depth: number): Promise<void> => {
    const repository = parseRepository(path);
    const bytes = repository.ok ? await cache.read(repository.value, 'root') : null;
    if (repository.ok && bytes !== null) roots.push({ repository: repository.value, bytes });
    if (depth >= DEPTH || roots.length >= MOST) return;
    for (const name of await foldersIn(join(dockerConfig, 'trust', 'tuf', path))) {
      if (name !== 'metadata' && name !== 'changelist') await walk(join(path, name), depth + 1);
    }
  };
  for (const host of await foldersIn(join(dockerConfig, 'trust', 'tuf'))) await walk(host, 1);
  return roots.slice(0, MOST);
}

async function foldersIn(path: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .toSorted();
  } catch {
    return [];
  }
}
