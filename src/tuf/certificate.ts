import { decodeUtf8 } from '../lib/bytes.ts';
import type { DerElement } from '../keys/der.ts';
import {
  TAG,
  childrenOf,
  encodeElement,
  octetsOf,
  oidOf,
  readElements,
  readSequence,
} from '../keys/der.ts';
import type { PublicKey } from '../keys/key.ts';
import { encodePem } from '../keys/pem.ts';
import { publicKeyFromSpki } from '../keys/public-key.ts';

/** What a root certificate is judged by (RFC 5280 4.1). */
export interface Certificate {
  readonly commonName: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** The basic constraints say that it is an authority: an intermediate, never a leaf. */
  readonly isAuthority: boolean;
  /** Signed with SHA-256 or better; Notary refuses SHA-1, and MD5 is no better. */
  readonly strong: boolean;
  /** `null`: of a kind or size that is not accepted. */
  readonly key: PublicKey | null;
  /** The certificate as Go writes it; key ids are computed over this spelling. */
  readonly pem: string;
}

const COMMON_NAME = '550403';
const BASIC_CONSTRAINTS = '551d13';
// ECDSA and RSA PKCS#1 v1.5 with SHA-256, SHA-384 and SHA-512 (RFC 5758, RFC 4055).
const STRONG = new Set([
  '2a8648ce3d040302',
  '2a8648ce3d040303',
  '2a8648ce3d040304',
  '2a864886f70d01010b',
  '2a864886f70d01010c',
  '2a864886f70d01010d',
]);
const SET = 0x31;
const BOOLEAN = 0x01;
const VERSION = 0xa0;
const EXTENSIONS = 0xa3;
// UTF8String, PrintableString and IA5String.
const NAME_STRINGS = new Set([0x0c, 0x13, 0x16]);
const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;

/** Reads an X.509 certificate; `undefined` for anything else, also one with two common names or unreadable dates. */
export function parseCertificate(der: Uint8Array): Certificate | undefined {
  const outer = readSequence(der);
  const body = childrenOf(outer?.[0]);
  if (outer?.length !== 3 || body === undefined) return undefined;
  const fields = body[0]?.tag === VERSION ? body.slice(1) : body;
  const [, algorithm, , validity, subject, spki, ...rest] = fields;
  const commonName = commonNameOf(subject);
  const [from, until] = childrenOf(validity) ?? [];
  const notBefore = timeOf(from);
  const notAfter = timeOf(until);
  const isAuthority = authorityOf(rest);
  // RFC 5280 4.1.1.2: what is signed and what is said outside must name one algorithm.
  const same = outer[1] !== undefined && algorithm !== undefined && equal(outer[1], algorithm);
  if (!same || commonName === undefined || isAuthority === undefined) return undefined;
  if (notBefore === undefined || notAfter === undefined || spki?.tag !== TAG.sequence)
    return undefined;
  const key = publicKeyFromSpki(encodeElement(TAG.sequence, spki.content));
  return {
    commonName,
    notBefore,
    notAfter,
    isAuthority,
    strong: STRONG.has(oidOf(childrenOf(algorithm)?.[0]) ?? ''),
    key: key.ok ? key.value : null,
    pem: encodePem('CERTIFICATE', der),
  };
}

function equal(a: DerElement, b: DerElement): boolean {
  return a.tag === b.tag && Buffer.from(a.content).equals(b.content);
}

/** The one common name of a Name; '' where it has none. */
function commonNameOf(subject: DerElement | undefined): string | undefined {
  const found: string[] = [];
  const sets = childrenOf(subject);
  if (sets === undefined) return undefined;
  for (const set of sets) {
    const attributes = set.tag === SET ? readElements(set.content) : undefined;
    if (attributes === undefined) return undefined;
    for (const attribute of attributes) {
      const [type, value] = childrenOf(attribute) ?? [];
      if (oidOf(type) !== COMMON_NAME) continue;
      const text = NAME_STRINGS.has(value?.tag ?? 0)
        ? decodeUtf8(value?.content ?? Buffer.of())
        : undefined;
      if (text === undefined) return undefined;
      found.push(text);
    }
  }
  // Readers differ in which of two names they take.
  return found.length > 1 ? undefined : (found[0] ?? '');
}

/** RFC 5280 4.2.1.9; `undefined` where the extensions cannot be read. */
function authorityOf(rest: readonly DerElement[]): boolean | undefined {
  const wrapper = rest.find((element) => element.tag === EXTENSIONS);
  if (wrapper === undefined) return false;
  const extensions = readSequence(wrapper.content);
  if (extensions === undefined) return undefined;
  for (const extension of extensions) {
    const parts = childrenOf(extension);
    if (oidOf(parts?.[0]) !== BASIC_CONSTRAINTS) continue;
    const value = readSequence(octetsOf(parts?.at(-1)) ?? Buffer.of());
    if (value === undefined) return undefined;
    return value[0]?.tag === BOOLEAN && value[0].content[0] !== 0;
  }
  return false;
}

/** RFC 5280 4.1.2.5: UTCTime means 1950 to 2049. */
function timeOf(element: DerElement | undefined): Date | undefined {
  const text = Buffer.from(element?.content ?? []).toString('latin1');
  const short = element?.tag === UTC_TIME;
  if (!short && element?.tag !== GENERALIZED_TIME) return undefined;
  const match = (
    short
      ? /^(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/
      : /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/
  ).exec(text);
  if (match === null) return undefined;
  const [, year = '', month, day, hour, minute, second] = match;
  const full = short ? `${Number(year) < 50 ? '20' : '19'}${year}` : year;
  const date = new Date(`${full}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(date.getTime()) ? undefined : date;
}
