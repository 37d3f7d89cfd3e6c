import { dockerConfigFolder } from '../../../src/config/docker-folder.ts';
import { isRepositoryRole } from '../../../src/keys/key-name.ts';
import { keyStore } from '../../../src/keys/key-store.ts';
import type { StoredKey } from '../../../src/keys/stored-key.ts';
import { keyIdOf } from '../../../src/keys/stored-key.ts';
import type { Context } from '../../commands.ts';

/** `key list`: what is in the key store, without opening any of it. */
export async function runList(context: Context): Promise<void> {
  const store = keyStore(dockerConfigFolder(context.env));
  const keys = await store.list();
  const output = context.output();
  if (keys.length === 0) {
    output.note(`no keys in ${store.folder}; make one with: countersign key generate NAME`);
  }
  const ids = await Promise.all(keys.map(keyIdOf));
  const data = keys.map(({ name, gun, notaryId, path, file, problem }, at) => ({
    name,
    repository: gun,
    keyId: ids[at] ?? null,
    notaryId,
    path,
    encrypted: file === null ? null : file.encryption !== null,
    problem,
  }));
  output.result({ folder: store.folder, keys: data }, () => table(keys, ids));
}

/** Policies, verdicts and the record call a key by its own id, docker and notary by theirs. */
function table(keys: readonly StoredKey[], ids: readonly (string | null)[]): string {
  if (keys.length === 0) return '';
  const rows = keys.map((key, at) => [
    key.name ?? '-',
    ids[at]?.slice(0, 12) ?? '-',
    key.notaryId.slice(0, 12),
    stateOf(key),
  ]);
  const all = [['NAME', 'KEY ID', 'NOTARY ID', 'STATE'], ...rows];
  const widths = [0, 1, 2].map((at) => Math.max(...all.map((row) => row[at]?.length ?? 0)));
  return all
    .map((row) => row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  '))
    .join('\n');
}

function stateOf(key: StoredKey): string {
  if (key.problem !== null) return `unusable: ${key.problem.message}`;
  const sealed = key.file.encryption === null ? 'not encrypted' : 'encrypted';
  if (!isRepositoryRole(key.name)) return sealed;
  return `${sealed}, Notary's own${key.gun === null ? '' : ` for ${key.gun}`}`;
}
