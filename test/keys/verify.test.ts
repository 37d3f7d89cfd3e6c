import { constants, createHmac, generateKeyPairSync, sign } from 'node:crypto';
import * as noble from '@noble/ed25519';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { generateKey } from '../../src/keys/generate.ts';
import type { KeyType } from '../../src/keys/key.ts';
import type { PrivateKey } from '../../src/keys/private-key.ts';
import { ed25519Seed, signWithNode } from '../../src/keys/private-key.ts';
import { rawEd25519, spkiOf } from '../../src/keys/public-key.ts';
import { verifySignature } from '../../src/keys/verify.ts';

const message = Buffer.from('{"critical":{"type":"cosign container image signature"}}');
const TYPES: readonly KeyType[] = ['ed25519', 'ecdsa-p256', 'ecdsa-p384', 'rsa'];
const keys = new Map<KeyType, PrivateKey>();
for (const type of TYPES) keys.set(type, await generateKey(type));
const keyOf = (type: KeyType): PrivateKey => keys.get(type) as PrivateKey;

const hexReversed = (bytes: Uint8Array): string => Buffer.from(bytes).reverse().toString('hex');

/** Every way of signing that somebody might try against a key. */
const SCHEMES: Readonly<Record<string, (key: PrivateKey) => Buffer>> = {
  'as its type demands': (key) => signWithNode(key.key, key.publicKey, message),
  'ecdsa raw': ({ key }) => sign('sha256', message, { key, dsaEncoding: 'ieee-p1363' }),
  'ecdsa sha384': ({ key }) => sign('sha384', message, { key, dsaEncoding: 'der' }),
  'ecdsa sha1': ({ key }) => sign('sha1', message, { key, dsaEncoding: 'der' }),
  'rsa pss': ({ key }) =>
    sign('sha256', message, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }),
  'rsa sha512': ({ key }) => sign('sha512', message, key),
  'rsa sha1': ({ key }) => sign('sha1', message, key),
  'hmac with the public key': ({ publicKey }) =>
    createHmac('sha256', spkiOf(publicKey.key)).update(message).digest(),
  'hmac with the PEM': ({ publicKey }) =>
    createHmac('sha256', publicKey.key.export({ format: 'pem', type: 'spki' }))
      .update(message)
      .digest(),
  none: () => Buffer.alloc(0),
};
/** What is accepted, and nothing else. */
const ACCEPTED: readonly (readonly [KeyType, string])[] = [
  ['ed25519', 'as its type demands'],
  ['ecdsa-p256', 'as its type demands'],
  ['ecdsa-p256', 'ecdsa raw'],
  ['ecdsa-p384', 'as its type demands'],
  ['ecdsa-p384', 'ecdsa raw'],
  ['rsa', 'as its type demands'],
];
const MADE_FOR: Readonly<Record<string, readonly KeyType[]>> = {
  'ecdsa raw': ['ecdsa-p256', 'ecdsa-p384'],
  'ecdsa sha384': ['ecdsa-p256', 'ecdsa-p384'],
  'ecdsa sha1': ['ecdsa-p256', 'ecdsa-p384'],
  'rsa pss': ['rsa'],
  'rsa sha512': ['rsa'],
  'rsa sha1': ['rsa'],
};
const TABLE = Object.keys(SCHEMES).flatMap((scheme) =>
  (MADE_FOR[scheme] ?? TYPES).flatMap((signer) =>
    TYPES.map((verifier) => [scheme, signer, verifier] as const),
  ),
);

describe('verifySignature', () => {
  it.each(TABLE)(
    '"%s" by a key of type %s, judged by a key of type %s',
    (scheme, signer, verifier) => {
      const signature = SCHEMES[scheme]?.(keyOf(signer)) ?? Buffer.alloc(0);
      const expected =
        signer === verifier && ACCEPTED.some(([type, name]) => type === signer && name === scheme);
      expect(verifySignature(keyOf(verifier).publicKey, message, signature)).toBe(expected);
    },
  );

  it.each(TYPES)(
    'refuses another message, another %s key, and a changed signature',
    async (type) => {
      const key = keyOf(type);
      const signature = signWithNode(key.key, key.publicKey, message);
      expect(verifySignature(key.publicKey, Buffer.concat([message, message]), signature)).toBe(
        false,
      );
      const other = await generateKey(type);
      expect(verifySignature(other.publicKey, message, signature)).toBe(false);
      for (let at = 0; at < signature.length; at++) {
        const bent = Buffer.from(signature);
        bent[at] = (bent[at] ?? 0) ^ 0x01;
        expect(verifySignature(key.publicKey, message, bent)).toBe(false);
        expect(verifySignature(key.publicKey, message, signature.subarray(0, at))).toBe(false);
      }
      const longer = Buffer.concat([signature, Buffer.of(0)]);
      expect(verifySignature(key.publicKey, message, longer)).toBe(false);
    },
  );

  it('agrees with @noble/ed25519 on signatures that either made', async () => {
    const key = keyOf('ed25519');
    const raw = rawEd25519(key.publicKey.key);
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.nat(63), async (text, at) => {
        const byNoble = await noble.signAsync(text, ed25519Seed(key));
        const byNode = signWithNode(key.key, key.publicKey, text);
        expect(byNode.equals(byNoble)).toBe(true);
        const bent = Uint8Array.from(byNoble);
        bent[at] = (bent[at] ?? 0) ^ 0x80;
        for (const signature of [byNoble, bent]) {
          expect(verifySignature(key.publicKey, text, signature)).toBe(
            await noble.verifyAsync(signature, text, raw, { zip215: false }),
          );
        }
      }),
      { numRuns: 40 },
    );
  });

  it('refuses an Ed25519 signature whose S is not reduced', () => {
    const key = keyOf('ed25519');
    const signature = signWithNode(key.key, key.publicKey, message);
    // RFC 8032 section 5.1.7: S + L verifies in careless implementations and is a second signature.
    const L = 2n ** 252n + 27742317777372353535851937790883648493n;
    const s = BigInt(`0x${hexReversed(signature.subarray(32))}`) + L;
    const second = Buffer.from(s.toString(16).padStart(64, '0'), 'hex').reverse();
    const forged = Buffer.concat([signature.subarray(0, 32), second]);
    expect(verifySignature(key.publicKey, message, forged)).toBe(false);
  });

  it('never throws and never accepts, whatever the bytes of the signature', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...TYPES),
        fc.oneof(
          fc.uint8Array({ maxLength: 200 }),
          fc.uint8Array({ minLength: 64, maxLength: 64 }),
          fc.uint8Array({ minLength: 384, maxLength: 384 }),
        ),
        (type, signature) => {
          expect(verifySignature(keyOf(type).publicKey, message, signature)).toBe(false);
        },
      ),
    );
    expect(verifySignature(keyOf('rsa').publicKey, message, Buffer.alloc(100_000))).toBe(false);
  });

  it('answers no where the key object cannot do what its record says', () => {
    const { publicKey: key } = generateKeyPairSync('x25519');
    const record = { ...keyOf('ed25519').publicKey, key };
    expect(verifySignature(record, message, Buffer.alloc(64))).toBe(false);
  });
});
