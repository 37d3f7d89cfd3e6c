import type { KeyObject } from 'node:crypto';
import { generateKeyPairSync, sign } from 'node:crypto';
import type { KeyType, Signer } from '../../src/keys/key.ts';
import { parsePublicKey } from '../../src/keys/public-key.ts';
import { unwrap } from '../../src/lib/result.ts';

/** A signer of node:crypto's own making, and its key for clients that want files. */
export interface TestSigner extends Signer {
  /** PEM (SubjectPublicKeyInfo). */
  readonly publicPem: string;
  readonly privateKey: KeyObject;
}

/** Makes a new key of the type and a signer for it. */
export function testSigner(type: KeyType = 'ecdsa-p256'): TestSigner {
  const { publicKey, privateKey } = generate(type);
  const publicPem = publicKey.export({ format: 'pem', type: 'spki' }).toString();
  return {
    publicPem,
    privateKey,
    publicKey: unwrap(parsePublicKey(Buffer.from(publicPem))),
    sign: async (bytes) => sign(type === 'ed25519' ? null : 'sha256', bytes, privateKey),
  };
}

function generate(type: KeyType): { publicKey: KeyObject; privateKey: KeyObject } {
  switch (type) {
    case 'ed25519':
      return generateKeyPairSync('ed25519');
    case 'ecdsa-p256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' });
    case 'ecdsa-p384':
      return generateKeyPairSync('ec', { namedCurve: 'P-384' });
    case 'rsa':
      return generateKeyPairSync('rsa', { modulusLength: 2048 });
  }
}
