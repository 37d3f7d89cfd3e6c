import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import { TAG, childrenOf, oidOf, readSequence } from './der.ts';
import type { KeyType } from './key.ts';

// Content octets of object identifiers, in hex.
const RSA = '2a864886f70d010101';
const EC = '2a8648ce3d0201';
const ED25519 = '2b6570';
const CURVES: Readonly<Record<string, KeyType>> = {
  '2a8648ce3d030107': 'ecdsa-p256',
  '2b81040022': 'ecdsa-p384',
};
const REFUSED: Readonly<Record<string, string>> = {
  '2a864886f70d01010a': 'RSASSA-PSS',
  '2a8648ce380401': 'DSA',
  '2a864886f70d010301': 'Diffie-Hellman',
  '2b656e': 'X25519',
  '2b656f': 'X448',
  '2b6571': 'Ed448',
  '2b81040021': 'ECDSA P-224',
  '2b81040023': 'ECDSA P-521',
  '2b8104000a': 'ECDSA secp256k1',
};
const ACCEPTED = 'expected an Ed25519, ECDSA P-256, ECDSA P-384 or RSA (2048 bits or more) key';

/**
 * Tells the type of a DER SubjectPublicKeyInfo from its AlgorithmIdentifier alone (RFC 3279, RFC 5480,
 * RFC 8410). EC keys must name their curve: explicit parameters would let a key choose its own
 * generator (CVE-2020-0601).
 */
export function spkiKeyType(der: Uint8Array): Result<KeyType> {
  const spki = readSequence(der);
  const algorithm = childrenOf(spki?.[0]);
  const oid = oidOf(algorithm?.[0]);
  if (spki?.length !== 2 || algorithm === undefined || oid === undefined) {
    return refuse(
      'KEY_INVALID',
      'expected a DER SubjectPublicKeyInfo and nothing after it, found something else',
    );
  }
  const parameters = algorithm[1];
  if (oid === ED25519 && algorithm.length === 1) return ok('ed25519');
  // RFC 3279 demands NULL; Notary leaves it out.
  if (oid === RSA && algorithm.length <= 2 && (parameters?.tag ?? TAG.null) === TAG.null) {
    return ok('rsa');
  }
  if (oid === EC && algorithm.length === 2) {
    const curve = oidOf(parameters);
    if (curve === undefined) {
      return refuse('KEY_WEAK', `${ACCEPTED}, found an EC key that brings its own curve`);
    }
    const type = CURVES[curve];
    if (type !== undefined) return ok(type);
    return refuse('KEY_WEAK', `${ACCEPTED}, found ${REFUSED[curve] ?? 'another EC curve'}`);
  }
  return refuse('KEY_WEAK', `${ACCEPTED}, found ${REFUSED[oid] ?? 'another kind of key'}`);
}
