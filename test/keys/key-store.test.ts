import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { generateKey } from '../../src/keys/generate.ts';
import type { KeyStore } from '../../src/keys/key-store.ts';
import { keyStore } from '../../src/keys/key-store.ts';
import { notaryKeyId } from '../../src/keys/notary-key-id.ts';
import { createFile, makePrivateFolder, removeFile } from '../../src/keys/private-file.ts';
import { pkcs8KeyFile } from '../../src/keys/private-key-file.ts';
import type { StoredKey } from '../../src/keys/stored-key.ts';
import { labelOf } from '../../src/keys/stored-key.ts';
import { suiteScope } from '../support/scope.ts';

const PASSPHRASE = 'correct horse';
const DOCKER_KEY = join(import.meta.dirname, '..', 'vectors', 'keys', 'docker-28-p256.key');
const answer = (): Promise<string> => Promise.resolve(PASSPHRASE);
const failure = (code: string, message = ''): object =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

describe('keyStore', () => {
  const scope = suiteScope();
  let count = 0;
  let config: string;
  let store: KeyStore;
  beforeEach(() => {
    config = join(scope.folder(), String(count++));
    store = keyStore(config);
  });

  /** Puts a file into the store under an id, as another program would. */
  const put = (id: string, text: string, mode = 0o600): string => {
    mkdirSync(store.folder, { recursive: true, mode: 0o700 });
    const path = join(store.folder, `${id}.key`);
    writeFileSync(path, text, { mode });
    return path;
  };

  it('is empty where the folder is not there, and makes nothing by looking', async () => {
    expect(await store.list()).toEqual([]);
    await expect(store.find('alice')).rejects.toEqual(failure('KEY_NOT_FOUND', 'key list'));
    expect(existsSync(config)).toBe(false);
  });

  it('keeps a key under its Notary id, in a folder and a file for its owner alone', async () => {
    const key = await generateKey('ed25519');
    const stored = await store.add(key, 'alice', PASSPHRASE);
    expect(stored.path).toBe(join(config, 'trust', 'private', `${notaryKeyId(key.publicKey)}.key`));
    expect(statSync(stored.path).mode & 0o777).toBe(0o600);
    for (const folder of [config, join(config, 'trust'), store.folder]) {
      expect(statSync(folder).mode & 0o777).toBe(0o700);
    }
    expect(readdirSync(store.folder)).toHaveLength(1);
    const opened = await store.open(await store.find('alice'), answer);
    expect(opened.publicKey.id).toBe(key.publicKey.id);
  });

  it("reads docker's own keys", async () => {
    const id = 'a7a9f63ae3fabed76f6aad9b86660b086b638f2aa251c0f101c9ab0be3c9d3e1';
    put(id, '');
    copyFileSync(DOCKER_KEY, join(store.folder, `${id}.key`));
    chmodSync(join(store.folder, `${id}.key`), 0o600);
    const stored = await store.find('alice');
    expect(stored).toMatchObject({ notaryId: id, gun: null, problem: null });
    expect((await store.open(stored, answer)).publicKey.type).toBe('ecdsa-p256');
  });

  it('asks for a passphrase with what it is for, and not for a key that has none', async () => {
    const key = await generateKey('ecdsa-p256');
    await store.add(key, 'alice', PASSPHRASE);
    const asked: unknown[] = [];
    await store.open(await store.find('alice'), (request) => {
      asked.push(request);
      return answer();
    });
    expect(asked).toEqual([{ subject: 'key alice', role: 'alice', cosign: false }]);
    const plain = await generateKey('ed25519');
    const id = notaryKeyId(plain.publicKey);
    put(id, pkcs8KeyFile(plain));
    const stored = await store.find(id);
    expect(labelOf(stored)).toBe(id.slice(0, 12));
    const refuse = (): Promise<string> => Promise.reject(new Error('asked'));
    expect((await store.open(stored, refuse)).publicKey.id).toBe(plain.publicKey.id);
  });

  it('refuses a wrong passphrase, naming the key and not the passphrase', async () => {
    await store.add(await generateKey('ed25519'), 'alice', PASSPHRASE);
    const wrong = store.open(await store.find('alice'), () => Promise.resolve('hunter22'));
    await expect(wrong).rejects.toEqual(failure('PASSPHRASE_WRONG', 'key alice'));
    await expect(wrong).rejects.not.toEqual(failure('PASSPHRASE_WRONG', 'hunter22'));
  });

  it('finds by name first, then by seven or more digits of the id', async () => {
    const key = await generateKey('ed25519');
    const id = notaryKeyId(key.publicKey);
    await store.add(key, 'alice', PASSPHRASE);
    expect((await store.find(id.slice(0, 7))).name).toBe('alice');
    expect((await store.find(id)).name).toBe('alice');
    await expect(store.find('alcie')).rejects.toEqual(
      failure('KEY_NOT_FOUND', 'did you mean alice? see'),
    );
    await expect(store.find(id.slice(0, 6))).rejects.toEqual(failure('KEY_NOT_FOUND'));
    await expect(store.find('../alice')).rejects.toEqual(failure('KEY_NOT_FOUND'));
    const other = await generateKey('ed25519');
    await store.add(other, id.slice(0, 8), PASSPHRASE);
    expect((await store.find(id.slice(0, 8))).notaryId).toBe(notaryKeyId(other.publicKey));
  });

  it('refuses a second key of one name, and one key under two names; both change nothing', async () => {
    const key = await generateKey('ed25519');
    const { path } = await store.add(key, 'alice', PASSPHRASE);
    const before = readFileSync(path);
    const second = store.add(await generateKey('ed25519'), 'alice', PASSPHRASE);
    await expect(second).rejects.toEqual(failure('KEY_EXISTS', 'key remove alice'));
    await expect(store.checkFree('alice')).rejects.toEqual(failure('KEY_EXISTS'));
    await expect(store.checkFree('bob')).resolves.toBeUndefined();
    const again = store.add(key, 'bob', PASSPHRASE);
    await expect(again).rejects.toEqual(failure('KEY_EXISTS', 'as alice'));
    expect(readdirSync(store.folder)).toHaveLength(1);
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  it('never keeps two keys that were added under one name at the same time', async () => {
    const keys = await Promise.all([1, 2, 3, 4].map(() => generateKey('ed25519')));
    const added = await Promise.allSettled(keys.map((key) => store.add(key, 'alice', PASSPHRASE)));
    const kept = added.filter((result) => result.status === 'fulfilled').length;
    const named = (await store.list()).filter((stored) => stored.name === 'alice');
    expect(named).toHaveLength(kept);
    expect(kept).toBeLessThanOrEqual(1);
    await store.add(await generateKey('ed25519'), 'bob', PASSPHRASE);
  });

  it('asks for the id where two files have one name', async () => {
    const [a, b] = [await generateKey('ed25519'), await generateKey('ed25519')];
    const first = await store.add(a, 'alice', PASSPHRASE);
    const text = readFileSync((await store.add(b, 'bob', PASSPHRASE)).path, 'utf8');
    put(notaryKeyId(b.publicKey), text.replace('role: bob', 'role: alice'));
    await expect(store.find('alice')).rejects.toEqual(
      failure('AMBIGUOUS', first.notaryId.slice(0, 12)),
    );
  });

  it('refuses a file that others may read, with the command that mends it', async () => {
    const { path } = await store.add(await generateKey('ed25519'), 'alice', PASSPHRASE);
    for (const mode of [0o640, 0o604, 0o620]) {
      chmodSync(path, mode);
      const stored = await store.find('alice');
      await expect(store.open(stored, answer)).rejects.toEqual(
        failure('KEY_FILE_EXPOSED', `chmod 600 '${path}'`),
      );
    }
    chmodSync(path, 0o600);
    await expect(store.open(await store.find('alice'), answer)).resolves.toBeDefined();
  });

  it('refuses a link out of the store, follows one within, and lists what is damaged', async () => {
    const { path, notaryId } = await store.add(await generateKey('ed25519'), 'alice', PASSPHRASE);
    const outside = join(config, 'outside.pem');
    renameSync(path, outside);
    symlinkSync(outside, path);
    const [stray] = await store.list();
    expect(stray).toMatchObject({ notaryId, name: null, problem: { code: 'KEY_INVALID' } });
    expect(stray?.problem?.message).toContain('out of the key store');
    const inside = join(store.folder, 'inside.pem');
    renameSync(outside, inside);
    rmSync(path);
    symlinkSync(inside, path);
    await expect(store.open(await store.find('alice'), answer)).resolves.toBeDefined();
    rmSync(inside);
    expect((await store.list())[0]?.problem?.message).toContain('ENOENT');
    put('a'.repeat(64), 'no key');
    mkdirSync(join(store.folder, `${'b'.repeat(64)}.key`));
    const problems = (await store.list()).map((entry) => entry.problem?.code);
    expect(problems).toEqual(['KEY_INVALID', 'KEY_INVALID', 'KEY_INVALID']);
  });

  it('passes over files that are no keys of the store', async () => {
    put('A'.repeat(64), 'x');
    put('root_keys', 'x');
    writeFileSync(join(store.folder, `.${'a'.repeat(64)}.key.tmp`), 'x');
    expect(await store.list()).toEqual([]);
  });

  it('refuses a file under the id of another key', async () => {
    const { path } = await store.add(await generateKey('ed25519'), 'alice', PASSPHRASE);
    renameSync(path, join(store.folder, `${'c'.repeat(64)}.key`));
    await expect(store.open(await store.find('alice'), answer)).rejects.toEqual(
      failure('KEY_INVALID', 'found another key'),
    );
  });

  it.each([
    '',
    '.',
    '../x',
    'a/b',
    'Alice',
    'a b',
    '-x',
    'root',
    'targets',
    'releases',
    'a'.repeat(65),
  ])('refuses the name "%s"', async (name) => {
    const key = await generateKey('ed25519');
    await expect(store.add(key, name, PASSPHRASE)).rejects.toEqual(failure('USAGE'));
    expect(await store.list()).toEqual([]);
  });

  it('removes a key, also a damaged one, and says so when it is gone', async () => {
    const stored = await store.add(await generateKey('ed25519'), 'alice', PASSPHRASE);
    await store.remove(stored);
    expect(await store.list()).toEqual([]);
    await expect(store.remove(stored)).rejects.toEqual(failure('KEY_NOT_FOUND'));
    put('a'.repeat(64), 'no key');
    await store.remove(await store.find('aaaaaaa'));
    expect(await store.list()).toEqual([]);
  });

  it('lists by name, and refuses a folder with more files than anybody has keys', async () => {
    for (const name of ['carol', 'alice', 'bob']) {
      await store.add(await generateKey('ed25519'), name, PASSPHRASE);
    }
    expect((await store.list()).map((stored) => stored.name)).toEqual(['alice', 'bob', 'carol']);
    // A person with a thousand repositories has a thousand targets keys, and signs with any of them.
    const last = (n: number): string => n.toString(16).padStart(64, '0');
    for (let n = 1; n <= 1500; n++) put(last(n), '');
    expect(await store.list()).toHaveLength(1503);
    const alice = await store.find('alice');
    for (let n = 1501; n <= 20_000; n++) writeFileSync(join(store.folder, `${last(n)}.key`), '');
    await expect(store.list()).rejects.toEqual(failure('TOO_LARGE'));
    // A key by its id is that file's alone.
    expect(await store.byId(alice.notaryId)).toMatchObject({ name: 'alice', problem: null });
    expect(await store.byId(`../private/${alice.notaryId}`)).toBeNull();
  });

  it("keeps a repository's own keys as docker does: role and repository in the file, many of one role", async () => {
    const root = await generateKey('ecdsa-p256');
    await store.addForRepository(root, { role: 'root', gun: null }, PASSPHRASE);
    const guns = ['registry.example.com:5000/team/a', 'registry.example.com:5000/team/b'];
    for (const gun of guns) {
      const key = await generateKey('ecdsa-p256');
      await store.addForRepository(key, { role: 'targets', gun }, PASSPHRASE);
    }
    const listed = (await store.list()).map(({ name, gun }) => `${name} ${gun}`);
    expect(new Set(listed)).toEqual(new Set(['root null', ...guns.map((gun) => `targets ${gun}`)]));
    const stored = await store.byId(notaryKeyId(root.publicKey));
    expect(readFileSync(stored?.path ?? '', 'utf8')).toMatch(
      /^-----BEGIN ENCRYPTED PRIVATE KEY-----\nrole: root\n\n/,
    );
    expect(statSync(stored?.path ?? '').mode & 0o777).toBe(0o600);
    const opened = await store.open(stored as StoredKey, answer);
    expect(opened.publicKey.id).toBe(root.publicKey.id);
    expect(await store.byId('0'.repeat(64))).toBeNull();
    const again = store.addForRepository(root, { role: 'root', gun: null }, PASSPHRASE);
    await expect(again).rejects.toEqual(failure('KEY_EXISTS'));
  });

  it("asks for a repository's own keys in docker's words", async () => {
    const asked: string[] = [];
    const ask = (request: { readonly subject: string }): Promise<string> => {
      asked.push(request.subject);
      return answer();
    };
    const gun = 'registry.example.com/a';
    const [root, targets, alice] = [
      await generateKey('ecdsa-p256'),
      await generateKey('ecdsa-p256'),
      await generateKey('ecdsa-p256'),
    ];
    await store.open(
      await store.addForRepository(root, { role: 'root', gun: null }, PASSPHRASE),
      ask,
    );
    await store.open(
      await store.addForRepository(targets, { role: 'targets', gun }, PASSPHRASE),
      ask,
    );
    await store.open(await store.add(alice, 'alice', PASSPHRASE), ask);
    const front = ({ publicKey }: typeof root): string => notaryKeyId(publicKey).slice(0, 7);
    expect(asked).toEqual([
      `root key with ID ${front(root)}`,
      `repository key with ID ${front(targets)}`,
      'key alice',
    ]);
  });

  it('says so where the store is no folder', async () => {
    mkdirSync(join(config, 'trust'), { recursive: true });
    writeFileSync(store.folder, '');
    await expect(store.list()).rejects.toEqual(failure('STORE_UNAVAILABLE', 'ENOTDIR'));
    await expect(makePrivateFolder(store.folder)).rejects.toEqual(failure('KEY_EXISTS'));
  });
});

describe('createFile', () => {
  const scope = suiteScope();

  it('makes a whole file with the asked rights and leaves nothing else', async () => {
    const path = join(scope.folder(), 'a.pub');
    await createFile(path, 'text', 0o644);
    expect(readFileSync(path, 'utf8')).toBe('text');
    expect(statSync(path).mode & 0o777).toBe(0o644);
    expect(readdirSync(scope.folder())).toEqual(['a.pub']);
  });

  it('overwrites nothing, not even a link that leads nowhere', async () => {
    const path = join(scope.folder(), 'b.pub');
    symlinkSync('nowhere', path);
    await expect(createFile(path, 'text', 0o644)).rejects.toEqual(failure('KEY_EXISTS'));
    expect(readdirSync(scope.folder()).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('says which folder is missing, and which path is none', async () => {
    const missing = createFile(join(scope.folder(), 'none', 'c.pub'), '', 0o644);
    await expect(missing).rejects.toEqual(failure('KEY_NOT_FOUND', 'none'));
    const file = createFile(join(scope.folder(), 'a.pub', 'c.pub'), '', 0o644);
    await expect(file).rejects.toEqual(failure('STORE_UNAVAILABLE', 'ENOTDIR'));
    await expect(removeFile(scope.folder())).rejects.toEqual(failure('STORE_UNAVAILABLE'));
  });
});
