import type { Json, JsonObject } from '../lib/json.ts';
import { isArray } from '../lib/json.ts';

const SURROGATE = /[\ud800-\udfff]/;
const ESCAPED = /["\\]/;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * The canonical form that Notary signs (docker/go `MarshalCanonical`, dct-protocol 3.4): members by
 * the UTF-8 bytes of their names, no white space, integers only, and nothing escaped in strings but
 * `"` and `\`. `undefined` where a number is no integer that a double holds exactly: two readers
 * could see two numbers. It is another form than RFC 8785.
 */
export function notaryCanonical(value: Json): string | undefined {
  const out: string[] = [];
  return write(value, out) ? out.join('') : undefined;
}

function write(value: Json, out: string[]): boolean {
  if (value === null || typeof value === 'boolean') {
    out.push(String(value));
    return true;
  }
  if (typeof value === 'number') {
    out.push(String(value));
    return Number.isSafeInteger(value);
  }
  if (typeof value === 'string') {
    out.push(quote(value));
    return true;
  }
  return isArray(value) ? writeArray(value, out) : writeObject(value as JsonObject, out);
}

function writeArray(list: readonly Json[], out: string[]): boolean {
  out.push('[');
  for (const [index, item] of list.entries()) {
    if (index > 0) out.push(',');
    if (!write(item, out)) return false;
  }
  out.push(']');
  return true;
}

function writeObject(object: JsonObject, out: string[]): boolean {
  out.push('{');
  for (const [index, name] of sortByUtf8(Object.keys(object)).entries()) {
    out.push(index > 0 ? ',' : '', quote(name), ':');
    if (!write(object[name] as Json, out)) return false;
  }
  out.push('}');
  return true;
}

function quote(text: string): string {
  if (!ESCAPED.test(text)) return `"${text}"`;
  const bytes = Buffer.from(text);
  const out = Buffer.allocUnsafe(2 * bytes.length);
  let at = 0;
  // Byte by byte: of a text of millions of quotes, replacing each would keep everybody waiting.
  for (const byte of bytes) {
    if (byte === QUOTE || byte === BACKSLASH) out[at++] = BACKSLASH;
    out[at++] = byte;
  }
  return `"${out.toString('utf8', 0, at)}"`;
}

/** Sorts names by their UTF-8 bytes. UTF-16, JavaScript's own order, differs beyond the basic plane. */
export function sortByUtf8(names: readonly string[]): string[] {
  return names.some((name) => SURROGATE.test(name))
    ? names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    : names.toSorted();
}
