import { decodeUtf8 } from './bytes.ts';
import { quote } from './quote.ts';
import type { Result } from './result.ts';
import { ok, refuse } from './result.ts';

/** A JSON value as parsed by {@link parseJson}. Objects have no prototype. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
/** A JSON object as parsed by {@link parseJson}. */
export interface JsonObject {
  readonly [key: string]: Json;
}

/** How much of a document is read. */
export interface JsonLimits {
  /** Longest input in bytes. */
  readonly maxBytes: number;
  /** Deepest nesting of arrays and objects. */
  readonly maxDepth?: number;
  /** Most values (members, elements, the document itself). */
  readonly maxValues?: number;
  /** Refuses numbers that are not spelled as integers, `1.0` and `-0` too. */
  readonly integersOnly?: boolean;
}

/** Values of one document: a large SBOM has half as many, and none keeps everybody waiting for a second. */
const MAX_VALUES = 200_000;

class Refused extends Error {}

/**
 * Parses strict JSON (RFC 8259) for documents whose bytes are signed or hashed: refuses invalid
 * UTF-8, a byte-order mark, duplicate keys, trailing bytes, unpaired surrogate escapes, and anything
 * over the limits, so that no two readers can see two different documents in the same bytes.
 */
export function parseJson(bytes: Uint8Array, limits: JsonLimits): Result<Json> {
  if (bytes.byteLength > limits.maxBytes) {
    return refuse(
      'TOO_LARGE',
      `expected at most ${limits.maxBytes} bytes of JSON, found ${bytes.byteLength}`,
    );
  }
  const text = decodeUtf8(bytes);
  if (text === undefined) return refuse('JSON_INVALID', 'expected UTF-8, found invalid bytes');
  try {
    const { maxDepth = 32, maxValues = MAX_VALUES, integersOnly = false } = limits;
    return ok(new Parser(text, { maxDepth, maxValues, integersOnly }).document());
  } catch (error) {
    if (error instanceof Refused) return refuse('JSON_INVALID', error.message);
    throw error;
  }
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
// What follows must not make it another number: `1.0`, `1e0`, `-0`.
const INTEGER = /(?:0|-?[1-9][0-9]*)(?![0-9.eE])/y;
// One run of characters that need no decoding (RFC 8259 section 7: no control characters).
// oxlint-disable-next-line no-control-regex -- the class excludes control characters on purpose
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

class Parser {
  #at = 0;
  readonly #text: string;
  readonly #maxDepth: number;
  readonly #maxValues: number;
  readonly #numbers: RegExp;
  #values = 0;

  constructor(text: string, limits: Required<Omit<JsonLimits, 'maxBytes'>>) {
    this.#text = text;
    this.#maxDepth = limits.maxDepth;
    this.#maxValues = limits.maxValues;
    this.#numbers = limits.integersOnly ? INTEGER : NUMBER;
  }

  document(): Json {
    const value = this.#value(0);
    this.#space();
    if (this.#at !== this.#text.length) this.#fail('the end of the document');
    return value;
  }

  #fail(expected: string): never {
    const found = this.#text[this.#at];
    throw new Refused(
      `expected ${expected} at character ${this.#at}, found ${found === undefined ? 'the end' : JSON.stringify(found)}`,
    );
  }

  #space(): void {
    for (;;) {
      const c = this.#text.charCodeAt(this.#at);
      if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) return;
      this.#at++;
    }
  }

  #take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #value(depth: number): Json {
    if (depth > this.#maxDepth)
      throw new Refused(`expected at most ${this.#maxDepth} levels of nesting`);
    if (++this.#values > this.#maxValues)
      throw new Refused(`expected at most ${this.#maxValues} values`);
    this.#space();
    switch (this.#text[this.#at]) {
      case '{':
        return this.#object(depth);
      case '[':
        return this.#array(depth);
      case '"':
        return this.#string();
      case 't':
        return this.#word('true', true);
      case 'f':
        return this.#word('false', false);
      case 'n':
        return this.#word('null', null);
      default:
        return this.#number();
    }
  }

  #word<T extends boolean | null>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) this.#fail('a JSON value');
    this.#at += word.length;
    return value;
  }

  #number(): number {
    this.#numbers.lastIndex = this.#at;
    const match = this.#numbers.exec(this.#text);
    if (match === null) this.#fail('a JSON value');
    this.#at = this.#numbers.lastIndex;
    const value = Number(match[0]);
    if (!Number.isFinite(value))
      throw new Refused(`expected a finite number, found ${match[0].slice(0, 40)}`);
    return value;
  }

  #string(): string {
    const start = this.#at++;
    PLAIN.lastIndex = this.#at;
    PLAIN.exec(this.#text);
    this.#at = PLAIN.lastIndex;
    if (this.#take('"')) return this.#text.slice(start + 1, this.#at - 1);
    // Many short pieces put together would keep everybody waiting: the engine reads it as a whole.
    this.#toEnd();
    let out: unknown;
    try {
      out = JSON.parse(this.#text.slice(start, this.#at));
    } catch {
      this.#at = start;
      this.#fail('a string with the escape sequences of RFC 8259');
    }
    if (typeof out !== 'string' || !out.isWellFormed())
      throw new Refused('expected well-formed Unicode, found an unpaired surrogate');
    return out;
  }

  /** Goes behind the quote that ends the string. */
  #toEnd(): void {
    for (;;) {
      const c = this.#text.charCodeAt(this.#at);
      if (c === QUOTE) break;
      // Written this way round, the end of the text, which is no number, ends it too.
      if (!(c >= 0x20)) this.#fail('a string character');
      this.#at += c === BACKSLASH ? 2 : 1;
    }
    this.#at++;
  }

  #array(depth: number): Json[] {
    this.#at++;
    const out: Json[] = [];
    this.#space();
    if (this.#take(']')) return out;
    for (;;) {
      out.push(this.#value(depth + 1));
      this.#space();
      if (this.#take(']')) return out;
      if (!this.#take(',')) this.#fail('"," or "]"');
    }
  }

  #object(depth: number): JsonObject {
    this.#at++;
    // No prototype: a key such as "__proto__" is a key like any other.
    const out = Object.create(null) as Record<string, Json>;
    this.#space();
    if (this.#take('}')) return out;
    for (;;) {
      this.#space();
      if (this.#text[this.#at] !== '"') this.#fail('a key');
      const key = this.#string();
      if (Object.hasOwn(out, key))
        throw new Refused(`expected unique keys, found ${quote(key, 64)} twice`);
      this.#space();
      if (!this.#take(':')) this.#fail('":"');
      out[key] = this.#value(depth + 1);
      this.#space();
      if (this.#take('}')) return out;
      if (!this.#take(',')) this.#fail('"," or "}"');
    }
  }
}

/** How many values a value is: itself, and all its members and elements. */
export function countValues(value: Json): number {
  if (typeof value !== 'object' || value === null) return 1;
  let count = 1;
  for (const one of isArray(value) ? value : Object.values(value)) count += countValues(one);
  return count;
}

/** True for a JSON object (not null, not an array). */
export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** True for a JSON array. */
export function isArray(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

/** True for an integer that a double holds exactly and that is not negative. */
export function isCount(value: Json | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** Canonical JSON (RFC 8785) of a value without fractions: what the records are hashed as. Throws RangeError for a number that is no safe integer. */
export function canonicalJson(value: Json): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string')
    return JSON.stringify(value);
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value))
      throw new RangeError(`canonical JSON holds safe integers only, found ${value}`);
    return String(value);
  }
  if (isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const object = value as JsonObject;
  // RFC 8785 section 3.2.3 sorts by UTF-16 code units, which is JavaScript's own order.
  const members = Object.keys(object)
    .toSorted((a, b) => (a < b ? -1 : 1))
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(object[key] as Json)}`);
  return `{${members.join(',')}}`;
}
