import { encodeElement, encodeOid, TAG } from './der.ts';
import { encodePem } from './pem.ts';

/** id-at-commonName, 2.5.4.3, as {@link encodeOid} takes it. */
const COMMON_NAME = '550403';
/** Tags of ASN.1 that only certificates need. */
const SET = 0x31;
const UTF8_STRING = 0x0c;
const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;

/** The tag of `[n] EXPLICIT`, or of an implicit constructed one. */
export const context = (n: number): number => 0xa0 | n;

/** The BOOLEAN that is true. */
export const TRUE = Buffer.from([0x01, 0x01, 0xff]);

/** A SEQUENCE of the parts. */
export function sequence(...parts: readonly Uint8Array[]): Buffer {
  return encodeElement(TAG.sequence, ...parts);
}

/** A BIT STRING, of which the last bits are unused. */
export function bits(bytes: Uint8Array, unused: number): Buffer {
  return encodeElement(TAG.bitString, Buffer.from([unused]), bytes);
}

/** An extension (RFC 5280 4.2). */
export function extension(oid: string, value: Uint8Array, critical = false): Buffer {
  const flag = critical ? [TRUE] : [];
  return sequence(encodeOid(oid), ...flag, encodeElement(TAG.octetString, value));
}

/** A Name (RFC 5280 4.1.2.4) of one common name. */
export function commonName(text: string): Buffer {
  const value = encodeElement(UTF8_STRING, Buffer.from(text));
  return sequence(encodeElement(SET, sequence(encodeOid(COMMON_NAME), value)));
}

/** RFC 5280 4.1.2.5: UTCTime until 2049, GeneralizedTime from 2050 on. */
export function time(date: Date): Buffer {
  const digits = date.toISOString().replace(/\.[0-9]+Z$|[-:T]/g, '');
  const late = date.getUTCFullYear() >= 2050;
  return encodeElement(
    late ? GENERALIZED_TIME : UTC_TIME,
    Buffer.from(`${late ? digits : digits.slice(2)}Z`),
  );
}

/** A certificate as PEM. */
export function certificatePem(der: Uint8Array): string {
  return encodePem('CERTIFICATE', der);
}
