import type { KeyObject } from 'node:crypto';
import { X509Certificate, createPublicKey, hash, randomBytes, sign } from 'node:crypto';
import { isIP, isIPv4 } from 'node:net';
import { encodeCount, encodeElement, encodeOid, TAG } from '../keys/der.ts';
import {
  TRUE,
  bits,
  certificatePem,
  commonName,
  context,
  extension,
  sequence,
  time,
} from '../keys/x509.ts';

/** What a certificate is to say; the key types are ECDSA P-256. */
export interface CertificateRequest {
  /** Common name of the subject. */
  readonly subject: string;
  readonly publicKey: KeyObject;
  /** Common name and private key of the issuer: the subject's own where it is self-signed. */
  readonly issuer: { readonly name: string; readonly key: KeyObject };
  readonly notBefore: Date;
  readonly notAfter: Date;
  /**
   * `authority`: may sign server certificates for the names and addresses, their subdomains and
   * nothing else (RFC 5280 4.2.1.10). `server`: is one of these names and addresses.
   */
  readonly use: 'authority' | 'server';
  readonly names: readonly string[];
}

// Object identifiers by their content octets (RFC 5280 section 4.2, RFC 5758 section 3.2).
const OID = {
  subjectKeyIdentifier: '551d0e',
  keyUsage: '551d0f',
  subjectAltName: '551d11',
  basicConstraints: '551d13',
  nameConstraints: '551d1e',
  authorityKeyIdentifier: '551d23',
  extKeyUsage: '551d25',
  serverAuth: '2b06010505070301',
  ecdsaWithSha256: '2a8648ce3d040302',
} as const;

/** `[n] IMPLICIT` around a primitive. */
const primitive = (n: number): number => 0x80 | n;

/** Makes and signs an X.509 certificate (RFC 5280); returns PEM. */
export function makeCertificate(request: CertificateRequest): string {
  const algorithm = sequence(encodeOid(OID.ecdsaWithSha256));
  const issuerKey = createPublicKey(request.issuer.key);
  // A positive number of 127 bits whose first byte is not zero: unpredictable, and minimal DER.
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  const body = sequence(
    encodeElement(context(0), encodeCount(2)),
    encodeElement(TAG.integer, serial),
    algorithm,
    commonName(request.issuer.name),
    sequence(time(request.notBefore), time(request.notAfter)),
    commonName(request.subject),
    spki(request.publicKey),
    encodeElement(
      context(3),
      sequence(
        ...(request.use === 'authority' ? authority(request.names) : server(request.names)),
        extension(
          OID.subjectKeyIdentifier,
          encodeElement(TAG.octetString, keyId(request.publicKey)),
        ),
        extension(
          OID.authorityKeyIdentifier,
          sequence(encodeElement(primitive(0), keyId(issuerKey))),
        ),
      ),
    ),
  );
  const signature = sign('sha256', body, { key: request.issuer.key, dsaEncoding: 'der' });
  return certificatePem(sequence(body, algorithm, bits(signature, 0)));
}

/** The extensions of an authority: it signs certificates for these names only, and no further authorities. */
function authority(names: readonly string[]): Buffer[] {
  const subtrees = names.map((one) => sequence(generalName(one, true)));
  return [
    extension(OID.basicConstraints, sequence(TRUE, encodeCount(0)), true),
    // keyCertSign and cRLSign: bits 5 and 6.
    extension(OID.keyUsage, bits(Buffer.from([0x06]), 1), true),
    extension(
      OID.nameConstraints,
      sequence(encodeElement(context(0), Buffer.concat(subtrees))),
      true,
    ),
  ];
}

/** True where an authority made by {@link makeCertificate} may sign for all of the names. */
export function permits(certificate: string, names: readonly string[]): boolean {
  try {
    const { raw } = new X509Certificate(certificate);
    return names.every((one) => raw.includes(sequence(generalName(one, true))));
  } catch {
    return false;
  }
}

/** The extensions of a TLS server. */
function server(names: readonly string[]): Buffer[] {
  return [
    extension(OID.basicConstraints, sequence(), true),
    // digitalSignature: bit 0.
    extension(OID.keyUsage, bits(Buffer.from([0x80]), 7), true),
    extension(OID.extKeyUsage, sequence(encodeOid(OID.serverAuth))),
    extension(OID.subjectAltName, sequence(...names.map((one) => generalName(one, false)))),
  ];
}

function spki(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

function keyId(key: KeyObject): Buffer {
  // RFC 7093 section 2, method 4: any hash of the whole key that fits 20 bytes.
  return hash('sha256', spki(key), 'buffer').subarray(0, 20);
}

/** A name or an address; as a constraint an address carries the mask of exactly itself. */
function generalName(text: string, constraint: boolean): Buffer {
  if (isIP(text) === 0) return encodeElement(primitive(2), Buffer.from(text, 'latin1'));
  const address = addressBytes(text);
  if (!constraint) return encodeElement(primitive(7), address);
  return encodeElement(primitive(7), address, Buffer.alloc(address.length, 0xff));
}

/** The 4 or 16 bytes of an IP address. */
function addressBytes(text: string): Buffer {
  if (isIPv4(text)) return Buffer.from(text.split('.').map(Number));
  // The URL parser gives the one compressed form, without a dotted tail.
  const compressed = new URL(`http://[${text}]`).hostname.slice(1, -1);
  const [front = '', back] = compressed.split('::');
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const head = groups(front);
  const tail = back === undefined ? [] : groups(back);
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => 0);
  return Buffer.from(
    new Uint8Array([...head, ...zeros, ...tail].flatMap((g) => [g >> 8, g & 255])),
  );
}
