import type { Json, JsonLimits, JsonObject } from './json.ts';
import { quote } from './quote.ts';

/** What a text is not: strict JSON. Never leaves {@link parseJson}, which makes a refusal of it. */
export class MalformedJson extends Error {}

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
// What follows must not make it another number: `1.0`, `1e0`, `-0`.
const INTEGER = /(?:0|-?[1-9][0-9]*)(?![0-9.eE])/y;
// One run of characters that need no decoding (RFC 8259 section 7: no control characters).
// oxlint-disable-next-line no-control-regex -- the class excludes control characters on purpose
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Reads one document, once. Throws {@link MalformedJson} at the first thing that is not strict JSON or over the limits. */
export class JsonParser {
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
    throw new MalformedJson(
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
      throw new MalformedJson(`expected at most ${this.#maxDepth} levels of nesting`);
    if (++this.#values > this.#maxValues)
      throw new MalformedJson(`expected at most ${this.#maxValues} values`);
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
      throw new MalformedJson(`expected a finite number, found ${match[0].slice(0, 40)}`);
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
      throw new MalformedJson('expected well-formed Unicode, found an unpaired surrogate');
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
        throw new MalformedJson(`expected unique keys, found ${quote(key, 64)} twice`);
      this.#space();
      if (!this.#take(':')) this.#fail('":"');
      out[key] = this.#value(depth + 1);
      this.#space();
      if (this.#take('}')) return out;
      if (!this.#take(',')) this.#fail('"," or "}"');
    }
  }
}
