import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** What is meant to lie below a policy folder: the keys that its files name, and their fixtures. */
const KNOWN = new Set(['keys', 'tests']);
/** Folders looked into, and folders named: a note, not an inventory. */
const MOST = 50;
const NAMED = 3;

/** Lies beside the starter policies, each a folder to be copied: nobody believes all of them in force. */
const BESIDE_STARTERS = 'policy.schema.json';

/** True for the name of a policy file: hidden ones are editors' and Kubernetes' own (`.prod.yaml.swp`, `..data`). */
export function isPolicyFileName(name: string): boolean {
  return /^[^.].*\.ya?ml$/i.test(name);
}

/**
 * A warning where folders below a policy folder have YAML files, which nobody reads: whoever copied a
 * policy folder into another, instead of its files, believes them to be in force. `null` for none. Never
 * throws: what cannot be looked at is not warned of.
 */
export async function unreadFolders(dir: string): Promise<string | null> {
  const entries = await entriesOf(dir);
  if (entries.some(({ name }) => name === BESIDE_STARTERS)) return null;
  const folders = entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && !KNOWN.has(entry.name))
    .map(({ name }) => name)
    .toSorted()
    .slice(0, MOST);
  const unread: string[] = [];
  for (const folder of folders) {
    const inside = await entriesOf(join(dir, folder));
    if (inside.some((entry) => entry.isFile() && isPolicyFileName(entry.name))) unread.push(folder);
  }
  if (unread.length === 0) return null;
  const named = unread.slice(0, NAMED).map((folder) => `${folder}/`);
  const more = unread.length > NAMED ? ` and ${unread.length - NAMED} more` : '';
  return `the YAML files in ${named.join(', ')}${more} below ${dir} are not read, only those directly in ${dir}; move them there, or name that folder with --policies`;
}

async function entriesOf(dir: string): Promise<readonly Dirent[]> {
  try {
    return await readdir(dir, { withFileTypes: true });
  } catch {
    return [];
  }
}
