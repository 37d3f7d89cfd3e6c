import { createPublicKey } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { generateKey } from '../../src/keys/generate.ts';
import type { KeyType } from '../../src/keys/key.ts';
import { keyStore } from '../../src/keys/key-store.ts';
import { notaryKeyId } from '../../src/keys/notary-key-id.ts';
import {
  cosignKeyFile,
  dockerExportFile,
  dockerKeyFile,
  pkcs8KeyFile,
} from '../../src/keys/private-key-file.ts';
import type { PrivateKey } from '../../src/keys/private-key.ts';
import { parsePublicKey, publicKeyPem } from '../../src/keys/public-key.ts';
import { fileSigner, openKey } from '../../src/keys/signers/file.ts';
import { verifySignature } from '../../src/keys/verify.ts';
import { unwrap } from '../../src/lib/result.ts';
import { clientPath } from '../support/clients.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import type { Ran } from '../support/run.ts';
import { mustRun, run } from '../support/run.ts';
import { suiteScope } from '../support/scope.ts';

const PASSPHRASE = 'correct horse';
const WRONG = 'wrong horse';
const TYPES: readonly KeyType[] = ['ed25519', 'ecdsa-p256', 'ecdsa-p384', 'rsa'];
const passphrase = (): Promise<string> => Promise.resolve(PASSPHRASE);

const keys = new Map<KeyType, PrivateKey>();
for (const type of TYPES) keys.set(type, await generateKey(type));
const keyOf = (type: KeyType): PrivateKey => keys.get(type) as PrivateKey;

/** Writes a file that only its owner may read. */
function secret(folder: string, name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

describeWithClients('docker and this program share one key store', ['docker'], () => {
  const scope = suiteScope();
  const docker = (config: string, args: readonly string[]): Promise<Ran> =>
    run(clientPath('docker'), args, {
      cwd: scope.folder(),
      env: {
        DOCKER_CONFIG: config,
        DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: PASSPHRASE,
        DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: PASSPHRASE,
      },
    });

  it('a key that docker generates is opened here, and its public file is the same key', async () => {
    const config = join(scope.folder(), 'a');
    expect(await docker(config, ['trust', 'key', 'generate', 'alice'])).toMatchObject({ code: 0 });
    const { publicKey } = await openKey('alice', config, passphrase);
    const pub = unwrap(parsePublicKey(readFileSync(join(scope.folder(), 'alice.pub'))));
    expect(publicKey.id).toBe(pub.id);
    const wrong = openKey('alice', config, () => Promise.resolve(WRONG));
    await expect(wrong).rejects.toMatchObject({ code: 'PASSPHRASE_WRONG' });
  });

  it.each<KeyType>(['ecdsa-p256', 'ecdsa-p384', 'rsa', 'ed25519'])(
    'an exported %s key is loaded by docker under the same id and name, and opened from there',
    async (type) => {
      const key = keyOf(type);
      const config = join(scope.folder(), `load-${type}`);
      const stored = { role: 'carol', gun: null };
      const text = await dockerExportFile(key, stored, PASSPHRASE);
      const file = secret(scope.folder(), `${type}.key`, text);
      expect(await docker(config, ['trust', 'key', 'load', file])).toMatchObject({ code: 0 });
      const store = keyStore(config);
      expect(readdirSync(store.folder)).toEqual([`${notaryKeyId(key.publicKey)}.key`]);
      expect((await openKey('carol', config, passphrase)).publicKey.id).toBe(key.publicKey.id);
    },
  );

  it('a plain P-256 file is loaded by docker, which encrypts it anew', async () => {
    const config = join(scope.folder(), 'plain');
    const file = secret(scope.folder(), 'plain.pem', pkcs8KeyFile(keyOf('ecdsa-p256')));
    const args = ['trust', 'key', 'load', file, '--name', 'dave'];
    expect(await docker(config, args)).toMatchObject({ code: 0 });
    const { publicKey } = await openKey('dave', config, passphrase);
    expect(publicKey.id).toBe(keyOf('ecdsa-p256').publicKey.id);
  });

  it('both refuse a file that others may read', async () => {
    const file = secret(scope.folder(), 'open.pem', pkcs8KeyFile(keyOf('ecdsa-p256')));
    chmodSync(file, 0o644);
    const ran = await docker(join(scope.folder(), 'open'), ['trust', 'key', 'load', file]);
    expect(ran.code).not.toBe(0);
    await expect(openKey(file, '', passphrase)).rejects.toMatchObject({ code: 'KEY_FILE_EXPOSED' });
  });
});

describeWithClients('notary opens the keys that this program stores', ['notary'], () => {
  const scope = suiteScope();
  const notary = (folder: string, args: readonly string[], phrase: string): Promise<Ran> =>
    run(clientPath('notary'), ['-d', join(folder, 'trust'), ...args], {
      env: { NOTARY_DELEGATION_PASSPHRASE: phrase },
      input: '',
    });

  it.each(TYPES)(
    'a %s key: listed under its id, and rewritten under its passphrase',
    async (type) => {
      const key = keyOf(type);
      const folder = join(scope.folder(), type);
      const { path, notaryId } = await keyStore(folder).add(key, 'alice', PASSPHRASE);
      const listed = await notary(folder, ['key', 'list'], PASSPHRASE);
      expect(listed.stdout).toMatch(new RegExp(`^alice +${notaryId}`, 'm'));
      const before = readFileSync(path, 'utf8');
      const refused = await notary(folder, ['key', 'passwd', notaryId], WRONG);
      expect(refused.code).not.toBe(0);
      expect(readFileSync(path, 'utf8')).toBe(before);
      const rewritten = await notary(folder, ['key', 'passwd', notaryId], PASSPHRASE);
      expect(rewritten).toMatchObject({ code: 0 });
      expect(readFileSync(path, 'utf8')).not.toBe(before);
      expect((await openKey('alice', folder, passphrase)).publicKey.id).toBe(key.publicKey.id);
    },
  );
});

describeWithClients('OpenSSL reads what this program writes', ['openssl'], () => {
  const scope = suiteScope();
  const openssl = (...args: readonly string[]): Promise<Ran> => run(clientPath('openssl'), args);

  it.each(TYPES)('a plain %s key, and its public half', async (type) => {
    const key = keyOf(type);
    const file = secret(scope.folder(), `${type}.pem`, pkcs8KeyFile(key));
    const pub = secret(scope.folder(), `${type}.pub`, publicKeyPem(key.publicKey));
    for (const args of [
      ['-in', file],
      ['-pubin', '-in', pub],
    ]) {
      const ran = await openssl('pkey', ...args, '-pubout');
      expect(createPublicKey(ran.stdout).equals(key.publicKey.key)).toBe(true);
    }
  });

  it.each<KeyType>(['ecdsa-p256', 'ecdsa-p384', 'rsa'])(
    "an encrypted %s key of docker's profile, without its header lines",
    async (type) => {
      const text = await dockerKeyFile(keyOf(type), 'alice', PASSPHRASE);
      const bare = text.replace(/^(?:[a-z]+: .*\n)+\n/m, '');
      const file = secret(scope.folder(), `${type}.docker`, bare);
      const opened = await openssl('pkey', '-in', file, '-passin', `pass:${PASSPHRASE}`, '-pubout');
      expect(createPublicKey(opened.stdout).equals(keyOf(type).publicKey.key)).toBe(true);
      const wrong = await openssl('pkey', '-in', file, '-passin', `pass:${WRONG}`, '-pubout');
      expect(wrong.code).not.toBe(0);
    },
  );

  it.each<KeyType>(['ecdsa-p256', 'ecdsa-p384', 'rsa'])(
    'signatures of %s, and this program reads those of OpenSSL',
    async (type) => {
      const key = keyOf(type);
      const folder = scope.folder();
      const message = Buffer.from('a message');
      const [file, text, ours, theirs] = [
        secret(folder, 'k.pem', pkcs8KeyFile(key)),
        join(folder, 'message'),
        join(folder, 'ours.sig'),
        join(folder, 'theirs.sig'),
      ];
      writeFileSync(text, message);
      writeFileSync(ours, await fileSigner(key).sign(message));
      const pub = secret(folder, 'k.pub', publicKeyPem(key.publicKey));
      const good = await openssl('dgst', '-sha256', '-verify', pub, '-signature', ours, text);
      expect(good.stdout).toContain('Verified OK');
      await mustRun(clientPath('openssl'), [
        'dgst',
        '-sha256',
        '-sign',
        file,
        '-out',
        theirs,
        text,
      ]);
      const signature = readFileSync(theirs);
      expect(verifySignature(key.publicKey, message, signature)).toBe(true);
      expect(verifySignature(key.publicKey, Buffer.from('another'), signature)).toBe(false);
    },
  );
});

for (const client of ['cosign-2', 'cosign-3'] as const) {
  describeWithClients(`${client} and this program read each other's keys`, [client], () => {
    const scope = suiteScope();
    const cosign = (args: readonly string[], password: string): Promise<Ran> =>
      run(clientPath(client), args, {
        cwd: scope.folder(),
        env: { HOME: scope.folder(), COSIGN_PASSWORD: password },
      });

    it.each(TYPES)('a %s key written here', async (type) => {
      const key = keyOf(type);
      const file = secret(scope.folder(), `${type}.key`, await cosignKeyFile(key, PASSPHRASE));
      const shown = await cosign(['public-key', '--key', file], PASSPHRASE);
      expect(createPublicKey(shown.stdout).equals(key.publicKey.key)).toBe(true);
      expect((await cosign(['public-key', '--key', file], WRONG)).code).not.toBe(0);
    });

    // cosign 2.5.0 of Debian refuses to import any ECDSA or RSA key ("unsupported public key type").
    const imports = client === 'cosign-2' ? (['ed25519'] as const) : TYPES;
    it.each(imports)('a %s key that it imported', async (type) => {
      const folder = join(scope.folder(), `import-${type}`);
      mkdirSync(folder);
      const file = secret(folder, 'plain.pem', pkcs8KeyFile(keyOf(type)));
      const prefix = join(folder, 'imported');
      const args = ['import-key-pair', '--key', file, '--output-key-prefix', prefix];
      expect(await cosign(args, PASSPHRASE)).toMatchObject({ code: 0 });
      const opened = await openKey(`${prefix}.key`, '', passphrase);
      expect(opened.publicKey.id).toBe(keyOf(type).publicKey.id);
    });

    it('a key that it generated, also without a passphrase', async () => {
      for (const password of [PASSPHRASE, '']) {
        const prefix = join(scope.folder(), `made-${password.length}`);
        await cosign(['generate-key-pair', '--output-key-prefix', prefix], password);
        const opened = await openKey(`${prefix}.key`, '', () => Promise.resolve(password));
        const pub = unwrap(parsePublicKey(readFileSync(`${prefix}.pub`)));
        expect(opened.publicKey.id).toBe(pub.id);
        const wrong = openKey(`${prefix}.key`, '', () => Promise.resolve(WRONG));
        await expect(wrong).rejects.toMatchObject({ code: 'PASSPHRASE_WRONG' });
      }
    });

    it.each(TYPES)('a signature over a blob by a %s key', async (type) => {
      const key = keyOf(type);
      const folder = scope.folder();
      const message = Buffer.from('a blob');
      writeFileSync(join(folder, 'blob'), message);
      const signature = await fileSigner(key).sign(message);
      writeFileSync(join(folder, 'blob.sig'), Buffer.from(signature).toString('base64'));
      const pub = secret(folder, `${type}.pub`, publicKeyPem(key.publicKey));
      const digest = client === 'cosign-3' ? ['--signature-digest-algorithm=sha256'] : [];
      const args = [
        'verify-blob',
        '--key',
        pub,
        '--signature',
        'blob.sig',
        '--insecure-ignore-tlog',
      ];
      const accepted = await cosign([...args, ...digest, 'blob'], '');
      expect(accepted.output).toContain('Verified OK');
      writeFileSync(join(folder, 'other'), 'another blob');
      expect((await cosign([...args, ...digest, 'other'], '')).code).not.toBe(0);
    });
  });
}

describeWithClients('one Ed25519 key serves OpenSSL too', ['openssl'], () => {
  const scope = suiteScope();
  let folder: string;
  beforeAll(() => {
    folder = scope.folder();
  });

  it('signs and verifies pure Ed25519 both ways', async () => {
    const key = keyOf('ed25519');
    const message = Buffer.from('a message');
    const text = join(folder, 'message');
    writeFileSync(text, message);
    const ours = join(folder, 'ours.sig');
    writeFileSync(ours, await fileSigner(key).sign(message));
    const pub = secret(folder, 'k.pub', publicKeyPem(key.publicKey));
    const file = secret(folder, 'k.pem', pkcs8KeyFile(key));
    const pkeyutl = (...args: readonly string[]): Promise<Ran> =>
      mustRun(clientPath('openssl'), ['pkeyutl', '-rawin', '-in', text, ...args]);
    const verified = await pkeyutl('-verify', '-pubin', '-inkey', pub, '-sigfile', ours);
    expect(verified.output).toContain('Verified Successfully');
    const theirs = join(folder, 'theirs.sig');
    await pkeyutl('-sign', '-inkey', file, '-out', theirs);
    expect(verifySignature(key.publicKey, message, readFileSync(theirs))).toBe(true);
  });
});
