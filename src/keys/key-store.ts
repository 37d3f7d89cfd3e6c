import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CountersignError } from '../lib/errors.ts';
import { nearest } from '../lib/nearest.ts';
import { quote } from '../lib/quote.ts';
import { unwrap } from '../lib/result.ts';
import { parseKeyName } from './key-name.ts';
import { notaryKeyId } from './notary-key-id.ts';
import type { PassphraseSource } from './passphrase.ts';
import { createFile, makePrivateFolder, removeFile } from './private-file.ts';
import type { PrivateKey } from './private-key.ts';
import { dockerKeyFile } from './private-key-file.ts';
import type { StoredKey } from './stored-key.ts';
import { labelOf, openStoredKey, readStoredKey } from './stored-key.ts';

/** Docker's own key store, `$DOCKER_CONFIG/trust/private`, which docker and this program share. */
export interface KeyStore {
  readonly folder: string;
  /** All keys, by name, the unusable ones too; none where the folder is not there. */
  list(): Promise<readonly StoredKey[]>;
  /** The key of that name, or whose id begins so (7 digits or more), usable or not. Throws KEY_NOT_FOUND, AMBIGUOUS. */
  find(nameOrId: string): Promise<StoredKey>;
  /** The key of that canonical id (see {@link notaryKeyId}), usable or not; `null` where it is not here. */
  byId(notaryId: string): Promise<StoredKey | null>;
  /** Opens a stored key. Throws the key's problem, PASSPHRASE_WRONG, PASSPHRASE_MISSING, KEY_WEAK, KEY_INVALID (also where the file's name is not the key's id). */
  open(stored: StoredKey, passphrase: PassphraseSource): Promise<PrivateKey>;
  /** Throws KEY_EXISTS where a key has that name. */
  checkFree(name: string): Promise<void>;
  /** Stores a key under a name, encrypted as docker does, durably. Throws KEY_EXISTS where the name or the key is there, USAGE for a bad name. */
  add(key: PrivateKey, name: string, passphrase: string): Promise<StoredKey>;
  /** Stores a key of a Notary repository's own, as {@link add}: a root key, or one repository's key of a role. Several may have the same role. */
  addForRepository(key: PrivateKey, place: RepositoryPlace, passphrase: string): Promise<StoredKey>;
  remove(stored: StoredKey): Promise<void>;
}

/** What a repository's own key is for. A root key serves any number of repositories. */
export type RepositoryPlace =
  | { readonly role: 'root'; readonly gun: null }
  | { readonly role: 'targets' | 'snapshot'; readonly gun: string };

const FILE_NAME = /^([0-9a-f]{64})\.key$/;
const ID_PREFIX = /^[0-9a-f]{7,64}$/;
/** Each repository that was begun here has a targets key of its own, and one more where docker kept the snapshot's. */
const MAX_FILES = 20_000;

/** Gives the key store under docker's configuration folder; reads nothing yet. */
export function keyStore(dockerConfig: string): KeyStore {
  const folder = join(dockerConfig, 'trust', 'private');
  const list = (): Promise<readonly StoredKey[]> => listKeys(folder);
  const checkFree = async (name: string): Promise<void> => {
    const taken = (await list()).find((key) => key.name === name);
    if (taken !== undefined) throw nameTaken(name, taken);
  };
  return {
    folder,
    list,
    find: async (nameOrId) => findKey(await list(), nameOrId, folder),
    byId: async (notaryId) => storedAs(notaryId, folder),
    open: openStoredKey,
    checkFree,
    add: async (key, name, passphrase) => {
      unwrap(parseKeyName(name));
      await checkFree(name);
      const id = notaryKeyId(key.publicKey);
      const same = (await list()).find((stored) => stored.notaryId === id);
      if (same !== undefined) throw keyThere(same);
      const path = join(folder, `${id}.key`);
      await makePrivateFolder(folder);
      await createFile(path, await dockerKeyFile(key, name, passphrase), 0o600);
      // Two programs may have passed the check at once: then neither keeps the name.
      const named = (await list()).filter((stored) => stored.name === name);
      const other = named.find((stored) => stored.notaryId !== id);
      if (other !== undefined) {
        await removeFile(path);
        throw nameTaken(name, other);
      }
      return readStoredKey(path, id, folder);
    },
    addForRepository: async (key, { role, gun }, passphrase) => {
      const id = notaryKeyId(key.publicKey);
      const path = join(folder, `${id}.key`);
      await makePrivateFolder(folder);
      await createFile(path, await dockerKeyFile(key, role, passphrase, gun), 0o600);
      return readStoredKey(path, id, folder);
    },
    remove: (stored) => removeFile(stored.path),
  };
}

function nameTaken(name: string, taken: StoredKey): CountersignError {
  return new CountersignError(
    'KEY_EXISTS',
    `a key named ${name} is already there (${taken.path}); choose another name, or remove it with: countersign key remove ${name}`,
  );
}

function keyThere(same: StoredKey): CountersignError {
  return new CountersignError(
    'KEY_EXISTS',
    `this key is already in the key store, as ${labelOf(same)} (${same.path})`,
  );
}

async function listKeys(folder: string): Promise<readonly StoredKey[]> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return [];
    throw unread(folder, error);
  }
  const files = names.filter((name) => FILE_NAME.test(name)).toSorted();
  if (files.length > MAX_FILES) {
    throw new CountersignError(
      'TOO_LARGE',
      `expected at most ${MAX_FILES} keys in ${folder}, found ${files.length}`,
    );
  }
  const keys: StoredKey[] = [];
  for (const name of files) {
    keys.push(await readStoredKey(join(folder, name), name.slice(0, 64), folder));
  }
  return keys.toSorted((a, b) => compare(a.name ?? '', b.name ?? ''));
}

/** The key of an id, by its file's name: the others are not read. */
async function storedAs(notaryId: string, folder: string): Promise<StoredKey | null> {
  const name = `${notaryId}.key`;
  if (!FILE_NAME.test(name)) return null;
  const path = join(folder, name);
  try {
    await lstat(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    throw unread(folder, error);
  }
  return readStoredKey(path, notaryId, folder);
}

function unread(folder: string, error: unknown): CountersignError {
  const { code } = error as NodeJS.ErrnoException;
  return new CountersignError('STORE_UNAVAILABLE', `could not read ${folder} (${code})`, {
    cause: error,
  });
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function findKey(keys: readonly StoredKey[], nameOrId: string, folder: string): StoredKey {
  const named = keys.filter((key) => key.name === nameOrId);
  const matches =
    named.length > 0 || !ID_PREFIX.test(nameOrId)
      ? named
      : keys.filter((key) => key.notaryId.startsWith(nameOrId));
  const [key, ...others] = matches;
  if (key === undefined) {
    const near = nearest(
      nameOrId,
      keys.flatMap(({ name }) => name ?? []),
    );
    const hint = near === undefined ? '' : `did you mean ${near}? `;
    throw new CountersignError(
      'KEY_NOT_FOUND',
      `no key named ${quote(nameOrId)} in ${folder}; ${hint}see countersign key list (a file is named by its path, as ./NAME)`,
    );
  }
  if (others.length > 0) {
    const ids = matches.map((match) => match.notaryId.slice(0, 12)).join(', ');
    throw new CountersignError(
      'AMBIGUOUS',
      `${matches.length} keys answer to ${JSON.stringify(nameOrId)}; name one by its id: ${ids}`,
    );
  }
  return key;
}
