import type { KeyObject } from 'node:crypto';
import { createPublicKey } from 'node:crypto';
import { Point } from '@noble/ed25519';
import { sha256Hex } from '../lib/bytes.ts';
import { LIMITS } from '../lib/limits.ts';
import type { Refusal, Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import type { KeyType, PublicKey } from './key.ts';
import type { PemBlock } from './pem.ts';
import { encodePem, parsePem } from './pem.ts';
import { spkiKeyType } from './spki.ts';

/**
 * Reads the one public key of a file: PEM (`PUBLIC KEY`, also with Notary's header lines, or
 * `RSA PUBLIC KEY`) or DER SubjectPublicKeyInfo. Refuses anything beside the key, certificates,
 * private keys, and types and sizes that are too weak (KEY_INVALID, KEY_WEAK, TOO_LARGE).
 */
export function parsePublicKey(bytes: Uint8Array): Result<PublicKey> {
  if (bytes[0] === 0x30 && bytes.byteLength <= LIMITS.keyFileBytes) return publicKeyFromSpki(bytes);
  const blocks = parsePem(bytes);
  if (!blocks.ok) return blocks;
  const [block, ...others] = blocks.value;
  if (block === undefined || others.length > 0) {
    return refuse(
      'KEY_INVALID',
      `expected exactly one public key in the file, found ${blocks.value.length} PEM blocks`,
    );
  }
  return publicKeyFromBlock(block);
}

function publicKeyFromBlock(block: PemBlock): Result<PublicKey> {
  switch (block.label) {
    case 'PUBLIC KEY':
      return publicKeyFromSpki(block.bytes);
    case 'RSA PUBLIC KEY':
      return publicKeyFromPkcs1(block.bytes);
    case 'CERTIFICATE':
    case 'TRUSTED CERTIFICATE':
      return refuse(
        'KEY_INVALID',
        'expected a public key, found a certificate; take its key out with: openssl x509 -noout -pubkey -in FILE',
      );
    default:
      return refuse(
        'KEY_INVALID',
        block.label.endsWith('PRIVATE KEY')
          ? 'expected a public key, found a private key; it must not lie here: give the .pub file that belongs to it'
          : `expected a PEM block "PUBLIC KEY", found "${block.label}"`,
      );
  }
}

function publicKeyFromPkcs1(der: Uint8Array): Result<PublicKey> {
  try {
    const key = createPublicKey({ key: Buffer.from(der), format: 'der', type: 'pkcs1' });
    return publicKeyFromSpki(key.export({ format: 'der', type: 'spki' }));
  } catch {
    return refuse('KEY_INVALID', 'expected an RSA public key (PKCS#1), found something else');
  }
}

/**
 * Accepts a DER SubjectPublicKeyInfo of an allowed type and strength. The key is rebuilt from its
 * numbers, so that every spelling of it (compressed point, missing parameters) has one id and a
 * quorum cannot count it twice.
 */
export function publicKeyFromSpki(der: Uint8Array): Result<PublicKey> {
  const type = spkiKeyType(der);
  if (!type.ok) return type;
  try {
    const given = createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' });
    const key = createPublicKey({ key: given.export({ format: 'jwk' }), format: 'jwk' });
    const weakness = weaknessOf(type.value, key);
    if (weakness !== null) return { ok: false, refusal: weakness };
    return ok({ type: type.value, id: sha256Hex(spkiOf(key)), key });
  } catch {
    return refuse(
      'KEY_INVALID',
      `expected a ${type.value} public key, found numbers that are none`,
    );
  }
}

function weaknessOf(type: KeyType, key: KeyObject): Refusal | null {
  if (type === 'rsa') return rsaWeakness(key);
  return type === 'ed25519' ? ed25519Weakness(key) : null;
}

function rsaWeakness(key: KeyObject): Refusal | null {
  const { modulusLength: bits = 0, publicExponent: exponent = 0n } = key.asymmetricKeyDetails ?? {};
  const weak = (message: string): Refusal => ({ code: 'KEY_WEAK', message });
  if (bits < 2048 || bits > 8192) {
    return weak(`expected an RSA key of 2048 to 8192 bits, found ${bits}; make a new key`);
  }
  // Go, which docker and cosign are written in, takes exponents below 2^31 only.
  if (exponent < 3n || exponent % 2n === 0n || exponent >= 2n ** 31n) {
    return weak('expected an RSA exponent that is odd, at least 3 and below 2^31; make a new key');
  }
  const modulus = Buffer.from(key.export({ format: 'jwk' }).n ?? '', 'base64url');
  if (((modulus.at(-1) ?? 0) & 1) === 0) return weak('expected an odd RSA modulus; make a new key');
  return null;
}

/** Under a key of small order some signatures hold for every message; an unreduced encoding would be a second name for a key. */
function ed25519Weakness(key: KeyObject): Refusal | null {
  const point = Point.fromBytes(rawEd25519(key));
  if (!point.isSmallOrder()) return null;
  return { code: 'KEY_WEAK', message: 'expected an Ed25519 key, found a point of small order' };
}

/** The 32 bytes of an Ed25519 public key. */
export function rawEd25519(key: KeyObject): Buffer {
  return Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url');
}

/** The DER SubjectPublicKeyInfo of a public key. */
export function spkiOf(key: KeyObject): Buffer {
  return key.export({ format: 'der', type: 'spki' });
}

/** The key as PEM `PUBLIC KEY`, without header lines: OpenSSL, skopeo and cosign read it as well as docker. */
export function publicKeyPem(key: PublicKey): string {
  return encodePem('PUBLIC KEY', spkiOf(key.key));
}
