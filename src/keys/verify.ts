import type { KeyObject } from 'node:crypto';
import { constants, verify } from 'node:crypto';
import type { PublicKey } from './key.ts';

/** The longest signature of an accepted key: RSA with 8192 bits. */
const MAX_SIGNATURE_BYTES = 1024;

/**
 * Checks a signature over the message. The key alone says how: Ed25519 pure; ECDSA
 * with SHA-256, P-384 too, as DER or as raw r‖s of the exact length (both are what cosign and skopeo
 * accept); RSA PKCS#1 v1.5 with SHA-256, never PSS. False for whatever does not verify; never throws.
 */
export function verifySignature(
  key: PublicKey,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (signature.byteLength > MAX_SIGNATURE_BYTES) return false;
  try {
    switch (key.type) {
      case 'ed25519':
        return verify(null, message, key.key, signature);
      case 'ecdsa-p256':
        return verifyEcdsa(key.key, 64, message, signature);
      case 'ecdsa-p384':
        return verifyEcdsa(key.key, 96, message, signature);
      case 'rsa':
        return verify(
          'sha256',
          message,
          { key: key.key, padding: constants.RSA_PKCS1_PADDING },
          signature,
        );
    }
  } catch {
    // OpenSSL throws for some malformed signatures instead of answering no.
    return false;
  }
}

function verifyEcdsa(
  key: KeyObject,
  rawLength: number,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (verify('sha256', message, { key, dsaEncoding: 'der' }, signature)) return true;
  return (
    signature.byteLength === rawLength &&
    verify('sha256', message, { key, dsaEncoding: 'ieee-p1363' }, signature)
  );
}
