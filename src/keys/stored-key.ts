import type { Stats } from 'node:fs';
import { lstat, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CountersignError } from '../lib/errors.ts';
import type { Refusal } from '../lib/result.ts';
import { isRepositoryRole } from './key-name.ts';
import { notaryKeyId } from './notary-key-id.ts';
import type { PassphraseSource } from './passphrase.ts';
import { openAsking } from './passphrase.ts';
import { readPrivateFile } from './private-file.ts';
import type { PrivateKey } from './private-key.ts';
import type { PrivateKeyFile } from './private-key-file.ts';
import { openPrivateKeyFile, parsePrivateKeyFile } from './private-key-file.ts';

interface Entry {
  /** Notary's canonical key id, the file's name. */
  readonly notaryId: string;
  /** The `role:` line: a signer's name, or `root`, `targets`, `snapshot`; `null` where the file has none. */
  readonly name: string | null;
  readonly gun: string | null;
  readonly path: string;
}

/** A file of the key store, with its content or why it cannot be used: open to others, damaged, a link out of the store. */
export type StoredKey = Entry &
  (
    | { readonly file: PrivateKeyFile; readonly problem: null }
    | { readonly file: null; readonly problem: Refusal }
  );

/** Reads a file of the key store; what is wrong with it is its `problem`, so that one bad file hides no other. */
export async function readStoredKey(
  path: string,
  notaryId: string,
  folder: string,
): Promise<StoredKey> {
  const nothing = { notaryId, path, name: null, gun: null, file: null } as const;
  const stray = await strayLink(path, folder);
  if (stray !== null) return { ...nothing, problem: stray };
  const content = await readPrivateFile(path);
  if (!content.ok) return { ...nothing, problem: content.refusal };
  const file = parsePrivateKeyFile(content.value.bytes);
  if (!file.ok) {
    const { code, message } = file.refusal;
    return { ...nothing, problem: { code, message: `${path}: ${message}` } };
  }
  const { role: name, gun } = file.value;
  const { exposed } = content.value;
  const entry = { notaryId, path, name, gun };
  return exposed === null
    ? { ...entry, file: file.value, problem: null }
    : { ...entry, file: null, problem: exposed };
}

/** A link may lead to another file of the store and nowhere else. */
async function strayLink(path: string, folder: string): Promise<Refusal | null> {
  try {
    const stat: Stats = await lstat(path);
    if (!stat.isSymbolicLink()) return null;
    if (dirname(await realpath(path)) === (await realpath(folder))) return null;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return { code: 'KEY_INVALID', message: `expected a key file at ${path}, found none (${code})` };
  }
  return {
    code: 'KEY_INVALID',
    message: `expected a key file at ${path}, found a link that leads out of the key store`,
  };
}

/** What messages call a stored key: its name, else the front of its id. */
export function labelOf(stored: StoredKey): string {
  return stored.name ?? stored.notaryId.slice(0, 12);
}

/** The key's own id, by which policies, verdicts and the record call it; `null` for an encrypted key that another tool stored. */
export async function keyIdOf({ file }: StoredKey): Promise<string | null> {
  if (file === null || file.keyId !== null || file.encryption !== null) return file?.keyId ?? null;
  const opened = await openPrivateKeyFile(file, '');
  return opened.ok ? opened.value.publicKey.id : null;
}

/** What a person is asked a stored key's passphrase for; docker's words for a repository's own keys, which have no names. */
export function subjectOf({ name, notaryId }: Pick<StoredKey, 'name' | 'notaryId'>): string {
  if (!isRepositoryRole(name)) return `key ${name ?? notaryId.slice(0, 12)}`;
  return `${name === 'root' ? 'root' : 'repository'} key with ID ${notaryId.slice(0, 7)}`;
}

/** Opens a stored key. Throws the key's problem, PASSPHRASE_WRONG, PASSPHRASE_MISSING, KEY_WEAK, KEY_INVALID (also where the file's name is not the key's id). */
export async function openStoredKey(
  stored: StoredKey,
  passphrase: PassphraseSource,
): Promise<PrivateKey> {
  const { file, problem, path } = stored;
  if (problem !== null) throw new CountersignError(problem.code, problem.message);
  const key = await openAsking(file, subjectOf(stored), passphrase);
  // Docker finds a key by its file's name: a file under another's name would sign for another.
  const isNamed = file.keyId === null || file.keyId === key.publicKey.id;
  if (isNamed && notaryKeyId(key.publicKey) === stored.notaryId) return key;
  throw new CountersignError(
    'KEY_INVALID',
    `expected ${path} to hold the key of that id, found another key`,
  );
}
