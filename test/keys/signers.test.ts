import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { generateKey } from '../../src/keys/generate.ts';
import { keyStore } from '../../src/keys/key-store.ts';
import { cosignKeyFile, dockerKeyFile, pkcs8KeyFile } from '../../src/keys/private-key-file.ts';
import { notaryKeyId } from '../../src/keys/notary-key-id.ts';
import { resolveSigner } from '../../src/keys/resolve-signer.ts';
import { openSigner } from '../../src/keys/signers.ts';
import type { PassphraseRequest } from '../../src/keys/passphrase.ts';
import { suiteScope } from '../support/scope.ts';

const PASSPHRASE = 'correct horse';
const passphrase = (): Promise<string> => Promise.resolve(PASSPHRASE);
const failure = (code: string, message = ''): object =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

describe('openSigner', () => {
  const scope = suiteScope();
  let count = 0;
  let dockerConfig: string;
  beforeEach(() => {
    dockerConfig = join(scope.folder(), String(count++));
  });

  it('opens a name of the key store', async () => {
    const key = await generateKey('ed25519');
    await keyStore(dockerConfig).add(key, 'alice', PASSPHRASE);
    const signer = await openSigner('alice', { dockerConfig, passphrase });
    expect(signer.publicKey.id).toBe(key.publicKey.id);
  });

  it('opens a file by its path and asks with what it is', async () => {
    const key = await generateKey('ecdsa-p256');
    const asked: PassphraseRequest[] = [];
    const ask = (request: PassphraseRequest): Promise<string> => {
      asked.push(request);
      return passphrase();
    };
    const path = join(scope.folder(), 'cosign.key');
    writeFileSync(path, await cosignKeyFile(key, PASSPHRASE), { mode: 0o600 });
    const signer = await openSigner(path, { dockerConfig, passphrase: ask });
    expect(signer.publicKey.id).toBe(key.publicKey.id);
    expect(asked).toEqual([{ subject: path, role: null, cosign: true }]);
    const plain = join(scope.folder(), 'plain.pem');
    writeFileSync(plain, pkcs8KeyFile(key), { mode: 0o600 });
    await openSigner(plain, { dockerConfig, passphrase: ask });
    expect(asked).toHaveLength(1);
  });

  it('refuses a file that others may read, one that is not there, and one that is no key', async () => {
    const path = join(scope.folder(), 'open.pem');
    writeFileSync(path, pkcs8KeyFile(await generateKey('ed25519')));
    chmodSync(path, 0o644);
    const ports = { dockerConfig, passphrase };
    await expect(openSigner(path, ports)).rejects.toEqual(failure('KEY_FILE_EXPOSED', 'chmod 600'));
    await expect(openSigner('./none', ports)).rejects.toEqual(failure('KEY_INVALID', './none'));
    const text = join(scope.folder(), 'text.pem');
    writeFileSync(text, 'text', { mode: 0o600 });
    await expect(openSigner(text, ports)).rejects.toEqual(failure('KEY_INVALID', text));
    const folder = openSigner(`${scope.folder()}/`, ports);
    await expect(folder).rejects.toEqual(failure('KEY_INVALID', 'something else'));
  });

  it('refuses a wrong passphrase for a file', async () => {
    const path = join(scope.folder(), 'sealed.key');
    const file = await dockerKeyFile(await generateKey('ed25519'), 'bob', PASSPHRASE);
    writeFileSync(path, file, { mode: 0o600 });
    const wrong = openSigner(path, { dockerConfig, passphrase: () => Promise.resolve('no') });
    await expect(wrong).rejects.toEqual(failure('PASSPHRASE_WRONG', path));
  });

  it('refuses a kind of signer that there is not', async () => {
    const ports = { dockerConfig, passphrase };
    await expect(openSigner('pigeon://coop/7', ports)).rejects.toEqual(
      failure('USAGE', '"pigeon://"'),
    );
  });

  describe('resolveSigner', () => {
    it('takes the key that is asked for', async () => {
      const store = keyStore(dockerConfig);
      const [a, b] = [await generateKey('ed25519'), await generateKey('ed25519')];
      await store.add(a, 'alice', PASSPHRASE);
      await store.add(b, 'bob', PASSPHRASE);
      const signer = await resolveSigner({ key: 'bob', dockerConfig, passphrase });
      expect(signer.publicKey.id).toBe(b.publicKey.id);
      expect(signer.name).toBe('bob');
    });

    it('names a file by its role line, else by its name, where that can name a signer', async () => {
      const key = await generateKey('ed25519');
      const folder = join(dockerConfig, 'files');
      mkdirSync(folder, { recursive: true });
      const named = async (file: string, text: string): Promise<string | null> => {
        const path = join(folder, file);
        writeFileSync(path, text, { mode: 0o600 });
        return (await resolveSigner({ key: path, dockerConfig, passphrase })).name;
      };
      const role = (name: string): Promise<string> => dockerKeyFile(key, name, PASSPHRASE);
      expect(await named('anything.key', await role('alice'))).toBe('alice');
      expect(await named('carol.key', await role('root'))).toBe('carol');
      expect(await named('bot.pem', pkcs8KeyFile(key))).toBe('bot');
      expect(await named('Not A Name.pem', pkcs8KeyFile(key))).toBeNull();
      expect(await named('releases.pem', await role('../x'))).toBeNull();
    });

    it("takes the only signing key; a repository's own keys do not count", async () => {
      const store = keyStore(dockerConfig);
      const key = await generateKey('ed25519');
      const { path } = await store.add(key, 'alice', PASSPHRASE);
      for (const role of ['root', 'targets', 'snapshot']) {
        const own = await generateKey('ecdsa-p256');
        const file = join(path, '..', `${notaryKeyId(own.publicKey)}.key`);
        writeFileSync(file, await dockerKeyFile(own, role, PASSPHRASE), { mode: 0o600 });
      }
      const signer = await resolveSigner({ dockerConfig, passphrase });
      expect(signer.publicKey.id).toBe(key.publicKey.id);
    });

    it('names the command where there is none, and the choices where there are several', async () => {
      await expect(resolveSigner({ dockerConfig, passphrase })).rejects.toEqual(
        failure('KEY_NOT_FOUND', 'countersign key generate NAME'),
      );
      const store = keyStore(dockerConfig);
      await store.add(await generateKey('ed25519'), 'alice', PASSPHRASE);
      await store.add(await generateKey('ed25519'), 'bob', PASSPHRASE);
      await expect(resolveSigner({ dockerConfig, passphrase })).rejects.toEqual(
        failure('AMBIGUOUS', '--key: alice, bob'),
      );
    });

    it('says what is wrong with the only key', async () => {
      const { path } = await keyStore(dockerConfig).add(
        await generateKey('ed25519'),
        'alice',
        PASSPHRASE,
      );
      chmodSync(path, 0o644);
      await expect(resolveSigner({ dockerConfig, passphrase })).rejects.toEqual(
        failure('KEY_FILE_EXPOSED'),
      );
    });
  });
});
