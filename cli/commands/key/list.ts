import { dockerConfigFolder } from '../../../src/config/docker-folder.ts';
import { isRepositoryRole } from '../../../src/keys/key-name.ts';
import { keyStore } from '../../../src/keys/key-store.ts';
import type { StoredKey } from '../../../src/keys/stored-key.ts';
import type { Context } from '../../commands.ts';

/** `key list`: what is in the key store, without opening any of it. */
export async function runList(context: Context): Promise<void> {
  const store = keyStore(dockerConfigFolder(context.env));
  const keys = await store.list();
  const output = context.output();
  if (keys.length === 0) {
    output.note(`no keys in ${store.folder}; make one with: countersign key generate NAME`);
  }
  const data = keys.map(({ name, gun, notaryId, path, file, problem }) => ({
    name,
    repository: gun,
    notaryId,
    path,
    encrypted: file === null ? null : file.encryption !== null,
    problem,
  }));
  output.result({ folder: store.folder, keys: data }, () => table(keys));
}

function table(keys: readonly StoredKey[]): string {
  if (keys.length === 0) return '';
  const rows = keys.map((key) => [key.name ?? '-', key.notaryId.slice(0, 12), stateOf(key)]);
  const all = [['NAME', 'NOTARY ID', 'STATE'], ...rows];
  const width = Math.max(...all.map(([name = '']) => name.length));
  return all
    .map(([name = '', id = '', state = '']) => `${name.padEnd(width)}  ${id.padEnd(12)}  ${state}`)
    .join('\n');
}

function stateOf(key: StoredKey): string {
  if (key.problem !== null) return `unusable: ${key.problem.message}`;
  const sealed = key.file.encryption === null ? 'not encrypted' : 'encrypted';
  if (!isRepositoryRole(key.name)) return sealed;
  return `${sealed}, Notary's own${key.gun === null ? '' : ` for ${key.gun}`}`;
}
