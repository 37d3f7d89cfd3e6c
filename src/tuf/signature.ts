import type { KeyObject } from 'node:crypto';
import { constants, verify } from 'node:crypto';
import type { PublicKey, Signer } from '../keys/key.ts';

/** One signature of an envelope. */
export interface TufSignature {
  readonly keyid: string;
  /** In lower case, as Notary compares it. */
  readonly method: string;
  readonly sig: Uint8Array;
}

/** RSASSA-PSS as Notary demands it: SHA-256, MGF1 with SHA-256, a salt of the hash's length. */
const SALT_BYTES = 32;

/**
 * Checks a signature (dct-protocol 3.5). The key says what the algorithm is; the method may only agree
 * (T-25). ECDSA is raw r‖s of the curve's length with SHA-256, Ed25519 pure, RSA of the modulus' length.
 * False for whatever does not verify; never throws.
 */
export function verifyTufSignature(
  { type, key }: PublicKey,
  method: string,
  message: Uint8Array,
  sig: Uint8Array,
): boolean {
  try {
    switch (type) {
      case 'ed25519':
        return method === 'eddsa' && sig.length === 64 && verify(null, message, key, sig);
      case 'ecdsa-p256':
      case 'ecdsa-p384':
        return (
          method === 'ecdsa' &&
          sig.length === (type === 'ecdsa-p256' ? 64 : 96) &&
          verify('sha256', message, { key, dsaEncoding: 'ieee-p1363' }, sig)
        );
      case 'rsa':
        return verifyRsa(key, method, message, sig);
    }
  } catch {
    // OpenSSL throws for some malformed signatures instead of answering no.
    return false;
  }
}

function verifyRsa(key: KeyObject, method: string, message: Uint8Array, sig: Uint8Array): boolean {
  if (sig.length !== Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8)) return false;
  if (method === 'rsapss') {
    const padding = constants.RSA_PKCS1_PSS_PADDING;
    return verify('sha256', message, { key, padding, saltLength: SALT_BYTES }, sig);
  }
  return (
    method === 'rsapkcs1v15' &&
    verify('sha256', message, { key, padding: constants.RSA_PKCS1_PADDING }, sig)
  );
}

/** Signs the bytes with one of our signers, in the form that Notary reads. Rejects as the signer does. */
export async function signForTuf(
  signer: Signer,
  keyid: string,
  message: Uint8Array,
): Promise<TufSignature> {
  const sig = await signer.sign(message);
  switch (signer.publicKey.type) {
    case 'ed25519':
      return { keyid, method: 'eddsa', sig };
    case 'ecdsa-p256':
      return { keyid, method: 'ecdsa', sig: rawFromDer(sig, 32) };
    case 'ecdsa-p384':
      return { keyid, method: 'ecdsa', sig: rawFromDer(sig, 48) };
    case 'rsa':
      // Signers make PKCS#1 v1.5, which Notary takes as well as PSS.
      return { keyid, method: 'rsapkcs1v15', sig };
  }
}

/** ECDSA-Sig-Value (RFC 3279 2.2.3) as r‖s, each of the curve's length. The DER comes from our own signer. */
function rawFromDer(der: Uint8Array, width: number): Buffer {
  const out = Buffer.alloc(2 * width);
  // For these curves everything is under 128 bytes, so that every length takes one byte.
  let at = 2;
  for (const end of [width, 2 * width]) {
    const length = der[at + 1] ?? 0;
    const number = der.subarray(at + 2, at + 2 + length);
    const digits = number.length > width ? number.subarray(number.length - width) : number;
    out.set(digits, end - digits.length);
    at += 2 + length;
  }
  return out;
}
