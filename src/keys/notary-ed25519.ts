import {
  encodeCount,
  encodeElement,
  encodeOid,
  octetsOf,
  oidOf,
  childrenOf,
  readSequence,
  TAG,
} from './der.ts';

// 1.3.6.1.4.1.11591.15.1, from a draft that became RFC 8410 under another number.
const OID = '2b06010401da470f01';

/** True where a DER PrivateKeyInfo is an Ed25519 key in Notary's own layout. */
export function isNotaryEd25519(der: Uint8Array): boolean {
  return oidOf(childrenOf(readSequence(der)?.[1])?.[0]) === OID;
}

/**
 * Takes the seed out of Notary's own layout, a PrivateKeyInfo whose octets are public ‖ seed ‖ public;
 * `undefined` for anything else. Whether seed and public half belong together is for the caller to check.
 */
export function decodeNotaryEd25519(
  der: Uint8Array,
): { readonly seed: Uint8Array; readonly publicKey: Uint8Array } | undefined {
  const parts = readSequence(der);
  const octets = octetsOf(parts?.[2]);
  if (!isNotaryEd25519(der) || parts?.length !== 3 || octets?.length !== 96) return undefined;
  const publicKey = octets.subarray(0, 32);
  if (!Buffer.from(publicKey).equals(octets.subarray(64))) return undefined;
  return { seed: octets.subarray(32, 64), publicKey };
}

/** Encodes an Ed25519 key in Notary's own layout, the only one that docker signs with. */
export function encodeNotaryEd25519(seed: Uint8Array, publicKey: Uint8Array): Buffer {
  return encodeElement(
    TAG.sequence,
    encodeCount(0),
    encodeElement(TAG.sequence, encodeOid(OID)),
    encodeElement(TAG.octetString, publicKey, seed, publicKey),
  );
}
