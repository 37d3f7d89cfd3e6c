import type { KeyObject } from 'node:crypto';
import { ECDH, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TAG, encodeElement, encodeOid } from '../../src/keys/der.ts';
import { generateKey } from '../../src/keys/generate.ts';
import type { KeyType } from '../../src/keys/key.ts';
import { notaryKeyId } from '../../src/keys/notary-key-id.ts';
import { encodePem } from '../../src/keys/pem.ts';
import { parsePublicKey, publicKeyPem } from '../../src/keys/public-key.ts';
import { sha256Hex } from '../../src/lib/bytes.ts';
import { LIMITS } from '../../src/lib/limits.ts';
import { unwrap } from '../../src/lib/result.ts';

const vectors = join(import.meta.dirname, '..', 'vectors', 'keys');
const vector = (name: string): Buffer => readFileSync(join(vectors, name));
const spki = (key: KeyObject): Buffer => key.export({ format: 'der', type: 'spki' });
const pem = (der: Uint8Array): Buffer => Buffer.from(encodePem('PUBLIC KEY', der));
const refused = (code: string, message?: string): object => ({
  ok: false,
  refusal: {
    code,
    message: message === undefined ? expect.any(String) : expect.stringContaining(message),
  },
});
const TYPES: readonly KeyType[] = ['ed25519', 'ecdsa-p256', 'ecdsa-p384', 'rsa'];

/** An EC SubjectPublicKeyInfo around a point, however encoded. */
function ecSpki(curve: string, point: Uint8Array): Buffer {
  return encodeElement(
    TAG.sequence,
    encodeElement(TAG.sequence, encodeOid('2a8648ce3d0201'), encodeOid(curve)),
    encodeElement(TAG.bitString, Uint8Array.of(0), point),
  );
}

function pointOf(key: KeyObject): Buffer {
  const { x = '', y = '' } = key.export({ format: 'jwk' });
  return Buffer.concat([Buffer.of(4), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]);
}

describe('parsePublicKey', () => {
  it.each(TYPES)('reads %s from PEM and DER as one key with one id', async (type) => {
    const { publicKey } = await generateKey(type);
    const der = spki(publicKey.key);
    const readings = [
      der,
      pem(der),
      Buffer.from(publicKeyPem(publicKey)),
      Buffer.from(encodePem('PUBLIC KEY', der, { role: 'alice' })),
    ].map((bytes) => unwrap(parsePublicKey(bytes)));
    for (const read of readings) {
      expect(read.type).toBe(type);
      expect(read.id).toBe(sha256Hex(der));
      expect(read.key.equals(publicKey.key)).toBe(true);
    }
  });

  it.each([
    ['P-256', 'prime256v1', '2a8648ce3d030107'],
    ['P-384', 'secp384r1', '2b81040022'],
  ])('gives a %s key one id, whether its point is compressed, hybrid or not', (_, name, oid) => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: name });
    const point = pointOf(publicKey);
    const forms = (['compressed', 'hybrid', 'uncompressed'] as const).map((form) =>
      ecSpki(oid, ECDH.convertKey(point, name, undefined, undefined, form) as Buffer),
    );
    const ids = forms.map((der) => unwrap(parsePublicKey(der)).id);
    expect(new Set(forms.map((der) => der.toString('hex'))).size).toBe(3);
    expect(new Set(ids)).toEqual(new Set([sha256Hex(spki(publicKey))]));
  });

  it('gives an RSA key one id in PKCS#1, in SPKI, and without its NULL', () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pkcs1 = publicKey.export({ format: 'der', type: 'pkcs1' });
    const withoutNull = encodeElement(
      TAG.sequence,
      encodeElement(TAG.sequence, encodeOid('2a864886f70d010101')),
      encodeElement(TAG.bitString, Uint8Array.of(0), pkcs1),
    );
    const ids = [Buffer.from(encodePem('RSA PUBLIC KEY', pkcs1)), spki(publicKey), withoutNull].map(
      (bytes) => unwrap(parsePublicKey(bytes)).id,
    );
    expect(new Set(ids)).toEqual(new Set([sha256Hex(spki(publicKey))]));
  });

  it('reads what docker and cosign write', () => {
    expect(unwrap(parsePublicKey(vector('docker-28-p256.pub'))).type).toBe('ecdsa-p256');
    expect(unwrap(parsePublicKey(vector('cosign-2-p256.pub'))).type).toBe('ecdsa-p256');
    expect(unwrap(parsePublicKey(vector('ed25519.pub'))).type).toBe('ed25519');
  });

  it('refuses more than one key, and anything beside the key', () => {
    const der = spki(generateKeyPairSync('ed25519').publicKey);
    const one = pem(der);
    expect(parsePublicKey(Buffer.concat([one, one]))).toMatchObject(
      refused('KEY_INVALID', 'found 2 PEM blocks'),
    );
    expect(parsePublicKey(Buffer.alloc(0))).toMatchObject(refused('KEY_INVALID', 'found 0'));
    for (const bytes of [
      Buffer.concat([one, Buffer.from('x')]),
      Buffer.concat([der, Buffer.of(0)]),
      pem(Buffer.concat([der, Buffer.of(0)])),
      Buffer.concat([der, der]),
      der.subarray(0, -1),
    ]) {
      expect(parsePublicKey(bytes)).toMatchObject(refused('KEY_INVALID'));
    }
  });

  it('refuses a file over the bound, in PEM and in DER', () => {
    const big = Buffer.alloc(LIMITS.keyFileBytes + 1, 0x30);
    expect(parsePublicKey(big)).toMatchObject(refused('TOO_LARGE'));
    expect(parsePublicKey(big.fill(0x0a))).toMatchObject(refused('TOO_LARGE'));
  });

  it('says of certificates and private keys what they are and what to do', () => {
    const file = (label: string): Buffer => Buffer.from(encodePem(label, Buffer.of(0x30, 0)));
    expect(parsePublicKey(file('CERTIFICATE'))).toMatchObject(
      refused('KEY_INVALID', 'openssl x509 -noout -pubkey'),
    );
    expect(parsePublicKey(file('EC PRIVATE KEY'))).toMatchObject(
      refused('KEY_INVALID', 'found a private key'),
    );
    expect(parsePublicKey(vector('cosign-3-p256.key'))).toMatchObject(
      refused('KEY_INVALID', 'found a private key'),
    );
    expect(parsePublicKey(file('X509 CRL'))).toMatchObject(refused('KEY_INVALID', '"X509 CRL"'));
    expect(parsePublicKey(file('RSA PUBLIC KEY'))).toMatchObject(refused('KEY_INVALID', 'PKCS#1'));
  });

  it.each([
    ['RSA of 1024 bits', () => generateKeyPairSync('rsa', { modulusLength: 1024 }), '1024'],
    ['RSASSA-PSS', () => generateKeyPairSync('rsa-pss', { modulusLength: 2048 }), 'RSASSA-PSS'],
    ['DSA', () => generateKeyPairSync('dsa', { modulusLength: 2048, divisorLength: 256 }), 'DSA'],
    ['P-224', () => generateKeyPairSync('ec', { namedCurve: 'P-224' }), 'P-224'],
    ['P-521', () => generateKeyPairSync('ec', { namedCurve: 'P-521' }), 'P-521'],
    ['secp256k1', () => generateKeyPairSync('ec', { namedCurve: 'secp256k1' }), 'secp256k1'],
    ['brainpool', () => generateKeyPairSync('ec', { namedCurve: 'brainpoolP256r1' }), 'another EC'],
    ['Ed448', () => generateKeyPairSync('ed448'), 'Ed448'],
    ['X25519', () => generateKeyPairSync('x25519'), 'X25519'],
  ])('refuses %s as weak or not for signing', (_, make, word) => {
    expect(parsePublicKey(spki(make().publicKey))).toMatchObject(refused('KEY_WEAK', word));
  });

  it('refuses an EC key that brings its own curve, even that of P-256', () => {
    const { publicKey } = generateKeyPairSync('ec', {
      namedCurve: 'P-256',
      paramEncoding: 'explicit',
    });
    expect(parsePublicKey(spki(publicKey))).toMatchObject(
      refused('KEY_WEAK', 'brings its own curve'),
    );
  });

  it.each([
    ['exponent 1', 2048, 1n],
    ['an even exponent', 2048, 65_536n],
    ['an exponent of 2^31 + 1', 2048, 2n ** 31n + 1n],
    ['an even modulus', 2048, 65_537n],
    ['8200 bits', 8200, 65_537n],
  ])('refuses RSA with %s', (title, bits, exponent) => {
    const n = Buffer.alloc(bits / 8, 0xff);
    if (title === 'an even modulus') n[n.length - 1] = 0xfe;
    const e = Buffer.from(exponent.toString(16).padStart(10, '0'), 'hex');
    const key = createPublicKey({
      key: { kty: 'RSA', n: n.toString('base64url'), e: e.toString('base64url') },
      format: 'jwk',
    });
    expect(parsePublicKey(spki(key))).toMatchObject(refused('KEY_WEAK'));
  });

  it('refuses Ed25519 points of small order, off the curve, and with a second spelling', () => {
    const ed = (point: Buffer): Buffer =>
      Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), point]);
    const small = Buffer.alloc(32);
    small[0] = 1;
    expect(parsePublicKey(ed(small))).toMatchObject(refused('KEY_WEAK', 'small order'));
    // y = 2 has no x; y = p + 3 is 3 spelled again.
    const off = Buffer.alloc(32);
    off[0] = 2;
    const again = Buffer.alloc(32, 0xff);
    again[0] = 0xf0;
    again[31] = 0x7f;
    expect(parsePublicKey(ed(off))).toMatchObject(refused('KEY_INVALID'));
    expect(parsePublicKey(ed(again))).toMatchObject(refused('KEY_INVALID'));
  });

  it('refuses an EC point off the curve', () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const point = pointOf(publicKey);
    point[64] = (point[64] ?? 0) ^ 1;
    expect(parsePublicKey(ecSpki('2a8648ce3d030107', point))).toMatchObject(refused('KEY_INVALID'));
  });

  it('refuses an algorithm with the wrong parameters', () => {
    const der = spki(generateKeyPairSync('ed25519').publicKey).toString('hex');
    const withNull = Buffer.from(
      der.replace('302a300506032b6570', '302c300706032b65700500'),
      'hex',
    );
    expect(parsePublicKey(withNull)).toMatchObject(refused('KEY_WEAK'));
  });

  it('gives a key or a refusal, and never throws, whatever bytes are flipped', () => {
    const files = ['ed25519.pub', 'p256.pub', 'docker-28-p256.pub'].map(vector);
    const ders = files.map((file) => spki(unwrap(parsePublicKey(file)).key));
    fc.assert(
      fc.property(
        fc.constantFrom(...files, ...ders),
        fc.nat(300),
        fc.integer({ min: 1, max: 255 }),
        (file, at, flip) => {
          const bytes = Buffer.from(file);
          bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ flip;
          const result = parsePublicKey(bytes);
          expect(result.ok ? result.value.id : result.refusal.code).toMatch(
            /^(?:[0-9a-f]{64}|KEY_INVALID|KEY_WEAK)$/,
          );
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('notaryKeyId', () => {
  it('is the name that docker gave the file of this key', () => {
    const key = unwrap(parsePublicKey(vector('docker-28-p256.pub')));
    expect(notaryKeyId(key)).toBe(
      'a7a9f63ae3fabed76f6aad9b86660b086b638f2aa251c0f101c9ab0be3c9d3e1',
    );
  });

  it('is the name that notary gave the file of this Ed25519 key', () => {
    const key = unwrap(parsePublicKey(vector('ed25519.pub')));
    expect(notaryKeyId(key)).toBe(
      '9ae6d8b7a7ea6e4c7bf94d98f25b122c6de737426013caf41727e40e8f277705',
    );
  });
});
