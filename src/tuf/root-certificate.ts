import type { Result } from '../lib/result.ts';
import { sha256 } from '../lib/bytes.ts';
import { TAG, encodeCount, encodeElement, encodeOid } from '../keys/der.ts';
import type { Signer } from '../keys/key.ts';
import { spkiOf } from '../keys/public-key.ts';
import {
  bits,
  certificatePem,
  commonName,
  context,
  extension,
  sequence,
  time,
} from '../keys/x509.ts';
import { lifetime } from './lifetime.ts';
import type { TufKey } from './public-key.ts';
import { parseTufKey, tufKeyId } from './public-key.ts';
import { invalid } from './trust-data.ts';

// Object identifiers by their content octets (RFC 5280 4.2.1, RFC 5758 3.2).
const ECDSA_WITH_SHA256 = '2a8648ce3d040302';
const KEY_USAGE = '551d0f';
const EXTENDED_KEY_USAGE = '551d25';
const CODE_SIGNING = '2b06010505070303';
const BASIC_CONSTRAINTS = '551d13';

/**
 * Wraps a P-256 key in the root certificate that docker makes for a repository (dct-protocol 3.2):
 * self-signed, named by the GUN, ten years, for code signing, no authority. Refuses other keys.
 * Rejects as the signer does.
 */
export async function rootCertificateKey(
  gun: string,
  signer: Signer,
  now: Date,
): Promise<Result<TufKey>> {
  if (signer.publicKey.type !== 'ecdsa-p256') {
    return invalid(`expected an ECDSA P-256 key for a root, found ${signer.publicKey.type}`);
  }
  const spki = spkiOf(signer.publicKey.key);
  const notAfter = lifetime('root', now);
  // Unique for a key, a name and a moment, positive, and minimal DER.
  const serial = sha256(`${gun}\n${notAfter.toISOString()}\n${spki.toString('base64')}`).subarray(
    0,
    16,
  );
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  const algorithm = sequence(encodeOid(ECDSA_WITH_SHA256));
  const body = sequence(
    encodeElement(context(0), encodeCount(2)),
    encodeElement(TAG.integer, serial),
    algorithm,
    commonName(gun),
    sequence(time(now), time(notAfter)),
    commonName(gun),
    spki,
    encodeElement(context(3), sequence(...extensions())),
  );
  const der = sequence(body, algorithm, bits(await signer.sign(body), 0));
  const publicHalf = Buffer.from(certificatePem(der)).toString('base64');
  const id = tufKeyId('ecdsa-x509', publicHalf);
  return parseTufKey(id, { keytype: 'ecdsa-x509', keyval: { private: null, public: publicHalf } });
}

function extensions(): readonly Buffer[] {
  return [
    // digitalSignature and keyEncipherment: bits 0 and 2.
    extension(KEY_USAGE, bits(Buffer.from([0xa0]), 5), true),
    extension(EXTENDED_KEY_USAGE, sequence(encodeOid(CODE_SIGNING))),
    extension(BASIC_CONSTRAINTS, sequence(), true),
  ];
}
