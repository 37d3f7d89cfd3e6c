import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ifPresent } from './durable.ts';
import { MANIFESTS } from './layout.ts';
import type { PageQuery } from '../oci/paging.ts';

/**
 * Names repositories that have (had) manifests, in the order of their full names, one page: at most
 * `n + 1`, the last of which says that there is more. Folders before `last` are not entered.
 */
export async function listRepositories(root: string, page: PageQuery): Promise<readonly string[]> {
  const found: string[] = [];
  if (page.n === 0) return found;
  for await (const name of walk(root, '', page.last ?? '')) {
    found.push(name);
    if (found.length > page.n) break;
  }
  return found;
}

async function* walk(root: string, prefix: string, last: string): AsyncGenerator<string> {
  const entries: Dirent[] =
    (await ifPresent(readdir(join(root, prefix), { withFileTypes: true }))) ?? [];
  const names = entries
    .filter((e) => e.isDirectory() && !e.name.startsWith('_'))
    .map((e) => e.name);
  // `a`, `a-b`, `a/b`: what is below `a` sorts with its slash, not with `a` itself.
  const items = names.flatMap((name) => [name, `${name}/`]).toSorted();
  for (const item of items) {
    const name = prefix + item;
    if (item.endsWith('/')) {
      if (name > last || last.startsWith(name)) yield* walk(root, name, last);
    } else if (name > last && (await ifPresent(readdir(join(root, name, MANIFESTS))))) {
      yield name;
    }
  }
}
