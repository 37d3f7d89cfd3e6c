import type { KeyObject } from 'node:crypto';
import { constants, createPrivateKey, createPublicKey, sign } from 'node:crypto';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import type { PublicKey } from './key.ts';
import { decodeNotaryEd25519, encodeNotaryEd25519, isNotaryEd25519 } from './notary-ed25519.ts';
import { publicKeyFromSpki, rawEd25519, spkiOf } from './public-key.ts';
import { verifySignature } from './verify.ts';

/** An opened private key, of an accepted type and strength, that was seen to sign for its public half. */
export interface PrivateKey {
  readonly publicKey: PublicKey;
  readonly key: KeyObject;
}

/** The DER forms that a private key comes in. */
export type PrivateDerType = 'pkcs8' | 'sec1' | 'pkcs1';

// RFC 8410: PrivateKeyInfo of an Ed25519 seed, up to the seed.
const ED25519_PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');
const SELF_TEST = Buffer.from('countersign: does this key sign for its public half?');

/** Reads an unencrypted private key from DER; also Notary's own Ed25519 layout. Refuses with KEY_INVALID or KEY_WEAK. */
export function privateKeyFromDer(der: Uint8Array, type: PrivateDerType): Result<PrivateKey> {
  if (type === 'pkcs8' && isNotaryEd25519(der)) {
    const decoded = decodeNotaryEd25519(der);
    const key = decoded === undefined ? undefined : ed25519FromSeed(decoded.seed);
    if (
      !key?.ok ||
      !rawEd25519(key.value.publicKey.key).equals(decoded?.publicKey ?? Buffer.of())
    ) {
      return refuse('KEY_INVALID', "expected Notary's Ed25519 layout, found halves that differ");
    }
    return key;
  }
  try {
    const key = createPrivateKey({ key: Buffer.from(der), format: 'der', type });
    return acceptPrivateKey(key);
  } catch {
    return refuse(
      'KEY_INVALID',
      `expected a ${type.toUpperCase()} private key, found something else`,
    );
  }
}

/** The private key of a 32-byte Ed25519 seed (RFC 8032). */
export function ed25519FromSeed(seed: Uint8Array): Result<PrivateKey> {
  return privateKeyFromDer(Buffer.concat([ED25519_PKCS8_HEAD, seed]), 'pkcs8');
}

/**
 * Accepts an opened key: its public half must pass the rules for public keys, and a signature made
 * with it must verify (a damaged RSA key could leak itself by its first signature).
 */
export function acceptPrivateKey(key: KeyObject): Result<PrivateKey> {
  const publicKey = publicKeyFromSpki(spkiOf(createPublicKey(key)));
  if (!publicKey.ok) return publicKey;
  const signature = signWithNode(key, publicKey.value, SELF_TEST);
  if (!verifySignature(publicKey.value, SELF_TEST, signature)) {
    return refuse('KEY_INVALID', 'expected a private key that fits its public half, found another');
  }
  return ok({ publicKey: publicKey.value, key });
}

/** Signs by node:crypto as the key's type demands (see {@link PublicKey} and `Signer`). */
export function signWithNode(key: KeyObject, publicKey: PublicKey, message: Uint8Array): Buffer {
  switch (publicKey.type) {
    case 'ed25519':
      return sign(null, message, key);
    case 'ecdsa-p256':
    case 'ecdsa-p384':
      return sign('sha256', message, { key, dsaEncoding: 'der' });
    case 'rsa':
      return sign('sha256', message, { key, padding: constants.RSA_PKCS1_PADDING });
  }
}

/** The seed of an Ed25519 private key. */
export function ed25519Seed(key: PrivateKey): Buffer {
  return Buffer.from(key.key.export({ format: 'jwk' }).d ?? '', 'base64url');
}

/** The key as a DER PrivateKeyInfo (RFC 5958), which every tool but docker reads for every type. */
export function pkcs8Of(key: PrivateKey): Buffer {
  return key.key.export({ format: 'der', type: 'pkcs8' });
}

/** The key as the DER PrivateKeyInfo that docker reads: Ed25519 in Notary's own layout, others as they are. */
export function notaryPkcs8Of(key: PrivateKey): Buffer {
  if (key.publicKey.type !== 'ed25519') return pkcs8Of(key);
  return encodeNotaryEd25519(ed25519Seed(key), rawEd25519(key.publicKey.key));
}
