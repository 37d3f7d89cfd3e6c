/**
 * A bounded reader and a writer of DER (X.690), as little as key files need: single-byte tags,
 * definite minimal lengths up to 64 KiB, one level at a time, so that no input makes it recurse.
 */
export interface DerElement {
  readonly tag: number;
  readonly content: Uint8Array;
}

/** The tags of X.680 that occur in key files. */
export const TAG = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  sequence: 0x30,
} as const;

const MAX_ELEMENTS = 32;

/** Splits bytes into the elements that follow each other in them; `undefined` unless they are nothing but whole, minimally encoded DER elements (at most 32). */
export function readElements(bytes: Uint8Array): readonly DerElement[] | undefined {
  const out: DerElement[] = [];
  let at = 0;
  while (at < bytes.length) {
    const header = readHeader(bytes, at);
    if (header === undefined || out.length === MAX_ELEMENTS) return undefined;
    const end = header.start + header.length;
    if (end > bytes.length) return undefined;
    out.push({ tag: header.tag, content: bytes.subarray(header.start, end) });
    at = end;
  }
  return out;
}

interface Header {
  readonly tag: number;
  readonly start: number;
  readonly length: number;
}

function readHeader(bytes: Uint8Array, at: number): Header | undefined {
  const tag = bytes[at] ?? 0;
  const first = bytes[at + 1];
  // Tag numbers above 30 take more bytes and occur in no key file.
  if (first === undefined || (tag & 0x1f) === 0x1f) return undefined;
  if (first < 0x80) return { tag, start: at + 2, length: first };
  if (first === 0x81) {
    const length = bytes[at + 2] ?? 0;
    return length < 0x80 ? undefined : { tag, start: at + 3, length };
  }
  if (first === 0x82) {
    const length = ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
    return length < 0x100 ? undefined : { tag, start: at + 4, length };
  }
  return undefined;
}

/** The children of the one SEQUENCE that the bytes are; `undefined` for anything else, trailing bytes included. */
export function readSequence(bytes: Uint8Array): readonly DerElement[] | undefined {
  const outer = readElements(bytes);
  const only = outer?.[0];
  if (outer?.length !== 1 || only?.tag !== TAG.sequence) return undefined;
  return readElements(only.content);
}

/** The children of an element that must be a SEQUENCE; `undefined` for anything else. */
export function childrenOf(element: DerElement | undefined): readonly DerElement[] | undefined {
  return element?.tag === TAG.sequence ? readElements(element.content) : undefined;
}

/** An object identifier's content octets in hex; `undefined` unless the element is one. */
export function oidOf(element: DerElement | undefined): string | undefined {
  return element?.tag === TAG.oid ? Buffer.from(element.content).toString('hex') : undefined;
}

/** An OCTET STRING's bytes; `undefined` unless the element is one. */
export function octetsOf(element: DerElement | undefined): Uint8Array | undefined {
  return element?.tag === TAG.octetString ? element.content : undefined;
}

/** A non-negative INTEGER below 2^47; `undefined` for anything else. */
export function countOf(element: DerElement | undefined): number | undefined {
  if (element?.tag !== TAG.integer) return undefined;
  const { content } = element;
  const first = content[0];
  if (first === undefined || first >= 0x80 || content.length > 6) return undefined;
  // A leading zero is minimal only where the next byte would read as a sign.
  if (first === 0 && content.length > 1 && (content[1] ?? 0) < 0x80) return undefined;
  return Buffer.from(content).readUIntBE(0, content.length);
}

/** Encodes one element of the given tag around the parts. Throws RangeError over 64 KiB. */
export function encodeElement(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  if (length > 0xffff) throw new RangeError('expected at most 65535 bytes in a DER element');
  const header =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Uint8Array.from(header), content]);
}

/** Encodes an INTEGER from 0 to 32767. */
export function encodeCount(value: number): Buffer {
  return encodeElement(
    TAG.integer,
    Uint8Array.from(
      value < 0x80
        ? [value]
        : value < 0x8000 && value > 0xff
          ? [value >> 8, value & 0xff]
          : [0, value],
    ),
  );
}

/** Encodes an object identifier from its content octets in hex. */
export function encodeOid(hex: string): Buffer {
  return encodeElement(TAG.oid, Buffer.from(hex, 'hex'));
}
