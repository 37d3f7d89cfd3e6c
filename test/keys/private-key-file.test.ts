import { createPrivateKey, generateKeyPairSync, scryptSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import nacl from 'tweetnacl';
import { describe, expect, it } from 'vitest';
import { TAG, encodeCount, encodeElement, encodeOid } from '../../src/keys/der.ts';
import { generateKey } from '../../src/keys/generate.ts';
import type { KeyType } from '../../src/keys/key.ts';
import { encodeNotaryEd25519 } from '../../src/keys/notary-ed25519.ts';
import { notaryKeyId } from '../../src/keys/notary-key-id.ts';
import { encodePem, parsePem } from '../../src/keys/pem.ts';
import {
  cosignKeyFile,
  dockerExportFile,
  dockerKeyFile,
  openPrivateKeyFile,
  parsePrivateKeyFile,
  pkcs8KeyFile,
} from '../../src/keys/private-key-file.ts';
import type { PrivateKey } from '../../src/keys/private-key.ts';
import { ed25519FromSeed, ed25519Seed, pkcs8Of } from '../../src/keys/private-key.ts';
import { parsePublicKey, rawEd25519 } from '../../src/keys/public-key.ts';
import { LIMITS } from '../../src/lib/limits.ts';
import type { Result } from '../../src/lib/result.ts';
import { unwrap } from '../../src/lib/result.ts';

const PASSPHRASE = 'correct horse';
const vectors = join(import.meta.dirname, '..', 'vectors', 'keys');
const vector = (name: string): Buffer => readFileSync(join(vectors, name));
const publicId = (name: string): string => unwrap(parsePublicKey(vector(name))).id;
const TYPES: readonly KeyType[] = ['ed25519', 'ecdsa-p256', 'ecdsa-p384', 'rsa'];

const open = (file: string | Uint8Array, passphrase = PASSPHRASE): Promise<Result<PrivateKey>> =>
  openPrivateKeyFile(unwrap(parsePrivateKeyFile(Buffer.from(file))), passphrase);
const idOf = (result: Result<PrivateKey>): string => unwrap(result).publicKey.id;
const bodyOf = (file: string): Buffer =>
  Buffer.from(unwrap(parsePem(Buffer.from(file)))[0]?.bytes ?? []);

describe('files of other tools', () => {
  it.each([
    ['docker-28-p256.key', 'docker-28-p256.pub', 'pkcs8', 'alice'],
    ['notary-0.7-ed25519.key', 'ed25519.pub', 'pkcs8', 'bob'],
    ['cosign-2-p256.key', 'cosign-2-p256.pub', 'cosign', null],
    ['cosign-3-p256.key', 'cosign-3-p256.pub', 'cosign', null],
    ['openssl-aes256-sha256.key', 'ed25519.pub', 'pkcs8', null],
    ['openssl-aes128-sha512.key', 'p256.pub', 'pkcs8', null],
    ['openssl-des3.key', 'p256.pub', 'pkcs8', null],
    ['openssl-scrypt.key', 'p256.pub', 'pkcs8', null],
    ['openssl-dek-info.key', 'p256.pub', 'traditional', null],
  ])('opens %s with its passphrase and with no other', async (name, pub, encryption, role) => {
    expect(unwrap(parsePrivateKeyFile(vector(name)))).toMatchObject({
      encryption,
      role,
      gun: null,
    });
    expect(idOf(await open(vector(name)))).toBe(publicId(pub));
    for (const wrong of ['', 'correct horsf', 'correct horse ']) {
      expect(await open(vector(name), wrong)).toMatchObject({
        ok: false,
        refusal: { code: 'PASSPHRASE_WRONG' },
      });
    }
  });

  it('opens the older cosign label', async () => {
    const old = vector('cosign-2-p256.key').toString().replaceAll('SIGSTORE', 'COSIGN');
    expect(idOf(await open(old))).toBe(publicId('cosign-2-p256.pub'));
  });

  it('passes over the EC PARAMETERS that openssl writes before a SEC1 key', async () => {
    const file = vector('openssl-sec1-with-parameters.key');
    expect(unwrap(parsePrivateKeyFile(file)).encryption).toBeNull();
    expect(unwrap(await open(file)).publicKey.type).toBe('ecdsa-p256');
  });

  it('refuses PKCS#5 v1 encryption and names the way out', async () => {
    expect(await open(vector('openssl-pbes1.key'))).toMatchObject({
      ok: false,
      refusal: { code: 'KEY_INVALID', message: expect.stringContaining('openssl pkcs8 -topk8') },
    });
  });

  it('opens a DEK-Info file that carries Notary header lines too', async () => {
    const file = vector('openssl-dek-info.key').toString();
    const legacy = file.replace('Proc-Type', 'role: root\nProc-Type');
    expect(unwrap(parsePrivateKeyFile(Buffer.from(legacy))).role).toBe('root');
    expect(idOf(await open(legacy))).toBe(publicId('p256.pub'));
    const des = legacy.replace('AES-256-CBC', 'DES-CBC');
    expect(await open(des)).toMatchObject({ refusal: { code: 'KEY_INVALID' } });
  });
});

describe('files that are written', () => {
  it.each(TYPES)('an %s key comes back from every form', async (type) => {
    const key = await generateKey(type);
    const files = [
      pkcs8KeyFile(key),
      await dockerKeyFile(key, 'alice', PASSPHRASE),
      await dockerExportFile(key, { role: 'targets', gun: 'example.com/app' }, PASSPHRASE),
      await cosignKeyFile(key, PASSPHRASE),
    ];
    for (const file of files) expect(idOf(await open(file))).toBe(key.publicKey.id);
    for (const file of files.slice(1)) {
      expect(await open(file, 'wrong')).toMatchObject({ refusal: { code: 'PASSPHRASE_WRONG' } });
    }
  });

  it.each(TYPES)('an %s key comes back from SEC1 and PKCS#1 where it has them', async (type) => {
    const key = await generateKey(type);
    const form = {
      'ecdsa-p256': 'sec1',
      'ecdsa-p384': 'sec1',
      rsa: 'pkcs1',
      ed25519: 'pkcs8',
    } as const;
    const pem = key.key.export({ format: 'pem', type: form[type] });
    expect(idOf(await open(pem as string, ''))).toBe(key.publicKey.id);
  });

  it("carries the lines that docker reads, and in the store the key's id besides", async () => {
    const key = await generateKey('ecdsa-p256');
    const headers = async (file: Promise<string>): Promise<object> =>
      Object.fromEntries(unwrap(parsePem(Buffer.from(await file)))[0]?.headers ?? []);
    expect(await headers(dockerKeyFile(key, 'alice', PASSPHRASE))).toEqual({
      keyid: key.publicKey.id,
      role: 'alice',
    });
    const path = notaryKeyId(key.publicKey);
    const stored = { role: 'alice', gun: null };
    expect(await headers(dockerExportFile(key, stored, PASSPHRASE))).toEqual({
      path,
      role: 'alice',
    });
  });

  it("has docker's profile byte for byte: no PRF, 2048 rounds, salt 8, AES-256-CBC", async () => {
    const [ours, theirs] = [
      bodyOf(await dockerKeyFile(await generateKey('ecdsa-p256'), 'alice', PASSPHRASE)),
      bodyOf(vector('docker-28-p256.key').toString()),
    ];
    // Everything from the scheme on but the salt, the IV and the ciphertext.
    const shape = (der: Buffer): string =>
      der
        .subarray(3)
        .toString('hex')
        .replace(/(0408).{16}/, '$1')
        .replace(/(0410).{32}.*/, '$1');
    expect(shape(ours)).toBe(shape(theirs));
  });

  it('never holds the key or the passphrase in clear where it is encrypted', async () => {
    const key = await generateKey('ed25519');
    const seed = ed25519Seed(key);
    for (const file of [
      await dockerKeyFile(key, 'alice', PASSPHRASE),
      await cosignKeyFile(key, PASSPHRASE),
    ]) {
      expect(bodyOf(file).includes(seed)).toBe(false);
      expect(file).not.toContain(PASSPHRASE);
    }
    expect(bodyOf(pkcs8KeyFile(key)).includes(seed)).toBe(true);
  });
});

describe('files that are refused', () => {
  const refusal = (code: string, message = ''): object => ({
    ok: false,
    refusal: { code, message: expect.stringContaining(message) },
  });

  it.each([
    ['a public key', vector('p256.pub').toString(), 'found a public key'],
    ['a certificate', encodePem('CERTIFICATE', Buffer.of(1)), '"CERTIFICATE"'],
    ['nothing', '', 'found 0 PEM blocks'],
    ['two keys', vector('cosign-2-p256.key').toString().repeat(2), 'found 2 PEM blocks'],
    ['no PEM', 'hello', 'expected nothing but a PEM block'],
  ])('%s', (_, file, message) => {
    expect(parsePrivateKeyFile(Buffer.from(file))).toMatchObject(refusal('KEY_INVALID', message));
  });

  it('more bytes than a key file has', () => {
    const big = Buffer.alloc(LIMITS.keyFileBytes + 1);
    expect(parsePrivateKeyFile(big)).toMatchObject(refusal('TOO_LARGE'));
  });

  it('weak keys, also encrypted ones', async () => {
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey;
    const pkcs8 = { format: 'pem', type: 'pkcs8' } as const;
    const sealed = { ...pkcs8, cipher: 'aes-256-cbc', passphrase: PASSPHRASE };
    expect(await open(weak.export(pkcs8) as string)).toMatchObject(refusal('KEY_WEAK', '1024'));
    expect(await open(weak.export(sealed) as string)).toMatchObject(refusal('KEY_WEAK', '1024'));
    const p521 = generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey;
    expect(await open(p521.export(pkcs8) as string)).toMatchObject(refusal('KEY_WEAK', 'P-521'));
  });

  it('bytes that are no key', async () => {
    for (const label of ['PRIVATE KEY', 'EC PRIVATE KEY', 'RSA PRIVATE KEY']) {
      const file = encodePem(label, Buffer.from('30030201ff', 'hex'));
      expect(await open(file)).toMatchObject(refusal('KEY_INVALID', 'private key'));
    }
  });

  it('an EC key whose private half belongs to another', async () => {
    const [a, b] = [await generateKey('ecdsa-p256'), await generateKey('ecdsa-p256')];
    const mixed = createPrivateKey({
      key: { ...b.key.export({ format: 'jwk' }), d: a.key.export({ format: 'jwk' }).d ?? '' },
      format: 'jwk',
    });
    const file = mixed.export({ format: 'pem', type: 'pkcs8' }) as string;
    expect(await open(file)).toMatchObject(refusal('KEY_INVALID'));
  });

  it("Notary's Ed25519 layout with halves that differ", async () => {
    const [a, b] = [await generateKey('ed25519'), await generateKey('ed25519')];
    const raw = rawEd25519(b.publicKey.key);
    const other = encodeNotaryEd25519(ed25519Seed(a), raw);
    expect(await open(encodePem('PRIVATE KEY', other))).toMatchObject(
      refusal('KEY_INVALID', 'halves that differ'),
    );
    const good = encodeNotaryEd25519(ed25519Seed(b), raw);
    expect(idOf(await open(encodePem('PRIVATE KEY', good)))).toBe(b.publicKey.id);
    good[good.length - 1] = (good.at(-1) ?? 0) ^ 1;
    expect(await open(encodePem('PRIVATE KEY', good))).toMatchObject(refusal('KEY_INVALID'));
    const short = good.subarray(0, -1);
    expect(await open(encodePem('PRIVATE KEY', short))).toMatchObject(refusal('KEY_INVALID'));
    const lean = encodeNotaryEd25519(ed25519Seed(b), raw.subarray(1));
    expect(await open(encodePem('PRIVATE KEY', lean))).toMatchObject(refusal('KEY_INVALID'));
    expect(ed25519FromSeed(Buffer.alloc(31))).toMatchObject(refusal('KEY_INVALID'));
  });

  it('flipped bytes: refused, or the same key, never another and never a throw', async () => {
    const key = await generateKey('ed25519');
    const file = await dockerKeyFile(key, 'alice', PASSPHRASE);
    const body = bodyOf(file);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(body.length - 1),
        fc.integer({ min: 1, max: 255 }),
        async (at, flip) => {
          const bent = Buffer.from(body);
          bent[at] = (bent[at] ?? 0) ^ flip;
          const result = await open(encodePem('ENCRYPTED PRIVATE KEY', bent));
          expect([key.publicKey.id, 'KEY_INVALID', 'PASSPHRASE_WRONG']).toContain(
            result.ok ? result.value.publicKey.id : result.refusal.code,
          );
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('any file', () => {
  it('is read as a key file or refused, whatever its lines say', () => {
    const line = fc.oneof(
      fc.string(),
      fc.constantFrom(
        '-----BEGIN ENCRYPTED PRIVATE KEY-----',
        '-----END ENCRYPTED PRIVATE KEY-----',
        'role: root',
        'role: ../../x',
        'gun: registry.example.com/a',
        '',
        'AAAA',
      ),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
        const read = parsePrivateKeyFile(Buffer.from(lines.join('\n')));
        if (read.ok) expect(read.value.block.bytes.length).toBeGreaterThan(0);
        else expect(read.refusal.code).toMatch(/^(?:KEY_INVALID|TOO_LARGE)$/);
      }),
    );
  });
});

describe('the work that a file may ask for', () => {
  const sequence = (...parts: readonly Uint8Array[]): Buffer =>
    encodeElement(TAG.sequence, ...parts);
  const octets = (length: number): Buffer => encodeElement(TAG.octetString, Buffer.alloc(length));
  const integer = (hex: string): Buffer => encodeElement(TAG.integer, Buffer.from(hex, 'hex'));
  const AES = sequence(encodeOid('60864801650304012a'), octets(16));
  const file = (kdf: Uint8Array, encryption: Uint8Array = AES): string =>
    encodePem(
      'ENCRYPTED PRIVATE KEY',
      sequence(sequence(encodeOid('2a864886f70d01050d'), sequence(kdf, encryption)), octets(32)),
    );
  const pbkdf2 = (...parameters: readonly Uint8Array[]): Buffer =>
    sequence(encodeOid('2a864886f70d01050c'), sequence(...parameters));
  const scrypt = (N: string, r: number, p: number): Buffer =>
    sequence(
      encodeOid('2b06010401da47040b'),
      sequence(octets(8), integer(N), encodeCount(r), encodeCount(p)),
    );

  it.each([
    ['11 million rounds', file(pbkdf2(octets(8), integer('00a7d8c0')))],
    ['no rounds', file(pbkdf2(octets(8), encodeCount(0)))],
    ['negative rounds', file(pbkdf2(octets(8), integer('ff')))],
    ['no salt', file(pbkdf2(encodeCount(1), encodeCount(2048)))],
    ['an unknown PRF', file(pbkdf2(octets(8), encodeCount(1), sequence(encodeOid('2b')), AES))],
    ['an unknown derivation', file(sequence(encodeOid('2b'), sequence()))],
    ['a derivation without parameters', file(sequence(encodeOid('2a864886f70d01050c')))],
    ['more memory than 256 MiB', file(scrypt('400000', 8, 1))],
    ['scrypt with N that is no power of two', file(scrypt('4001', 8, 1))],
    ['scrypt with 17 lanes', file(scrypt('4000', 1, 17))],
    [
      'an unknown cipher',
      file(pbkdf2(octets(8), encodeCount(1)), sequence(encodeOid('2b'), octets(16))),
    ],
    ['no IV', file(pbkdf2(octets(8), encodeCount(1)), sequence(encodeOid('60864801650304012a')))],
  ])('refuses %s before it computes', async (_, text) => {
    expect(await open(text)).toMatchObject({ ok: false, refusal: { code: 'KEY_INVALID' } });
  });

  it('takes a stated key length and a stated SHA-1', async () => {
    const sha1 = sequence(encodeOid('2a864886f70d0207'), Buffer.from('0500', 'hex'));
    const stated = file(pbkdf2(octets(8), encodeCount(1), encodeCount(32), sha1));
    expect(await open(stated)).toMatchObject({ refusal: { code: 'PASSPHRASE_WRONG' } });
  });

  const cosign = async (change: (envelope: Record<string, never>) => void): Promise<string> => {
    const whole = await cosignKeyFile(unwrap(ed25519FromSeed(Buffer.alloc(32, 1))), PASSPHRASE);
    const envelope = JSON.parse(bodyOf(whole).toString()) as Record<string, never>;
    change(envelope);
    return encodePem('ENCRYPTED SIGSTORE PRIVATE KEY', Buffer.from(JSON.stringify(envelope)));
  };
  // oxlint-disable-next-line typescript/no-explicit-any -- the test bends a JSON document at will
  type Bend = (envelope: any) => void;

  it.each<readonly [string, Bend]>([
    ['N of 2^30', (e) => (e.kdf.params.N = 2 ** 30)],
    ['N of 2', (e) => (e.kdf.params.N = 2)],
    ['N as text', (e) => (e.kdf.params.N = '65536')],
    ['r of 9', (e) => (e.kdf.params.r = 9)],
    ['p of 2', (e) => (e.kdf.params.p = 2)],
    ['another kdf', (e) => (e.kdf.name = 'argon2')],
    ['another cipher', (e) => (e.cipher.name = 'aes')],
    ['a short nonce', (e) => (e.cipher.nonce = 'AAAA')],
    ['a short salt', (e) => (e.kdf.salt = 'AAAA')],
    ['a ciphertext that is no base64', (e) => (e.ciphertext = '!')],
    ['no kdf', (e) => delete e.kdf],
  ])('refuses a cosign file with %s', async (_, bend) => {
    expect(await open(await cosign(bend))).toMatchObject({ refusal: { code: 'KEY_INVALID' } });
  });

  it('refuses a cosign file that is no JSON, and one whose key is none', async () => {
    const text = encodePem('ENCRYPTED SIGSTORE PRIVATE KEY', Buffer.from('{'));
    expect(await open(text)).toMatchObject({ refusal: { code: 'KEY_INVALID' } });
    const empty = await cosign((e: Parameters<Bend>[0]) => {
      const { salt, params } = e.kdf;
      const secret = scryptSync(PASSPHRASE, Buffer.from(salt, 'base64'), 32, {
        ...params,
        maxmem: 2 ** 28,
      });
      const box = nacl.secretbox(
        Buffer.from('no key'),
        Buffer.from(e.cipher.nonce, 'base64'),
        secret,
      );
      e.ciphertext = Buffer.from(box).toString('base64');
    });
    expect(await open(empty)).toMatchObject({ refusal: { code: 'KEY_INVALID' } });
  });
});

describe('generateKey', () => {
  it('makes keys of the asked type, each another', async () => {
    for (const type of TYPES) {
      const [a, b] = [await generateKey(type), await generateKey(type)];
      expect(a.publicKey.type).toBe(type);
      expect(a.publicKey.id).not.toBe(b.publicKey.id);
    }
    const { asymmetricKeyDetails } = (await generateKey('rsa')).key;
    expect(asymmetricKeyDetails).toMatchObject({ modulusLength: 3072, publicExponent: 65_537n });
  });

  it('writes plain PKCS#8 that node reads by itself', async () => {
    const key = await generateKey('ed25519');
    const read = createPrivateKey(pkcs8KeyFile(key));
    expect(read.export({ format: 'der', type: 'pkcs8' }).equals(pkcs8Of(key))).toBe(true);
  });
});
