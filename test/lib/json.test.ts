import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json } from '../../src/lib/json.ts';
import { parseJson } from '../../src/lib/json.ts';

const parse = (text: string, maxDepth?: number) =>
  parseJson(Buffer.from(text), {
    maxBytes: 100_000,
    ...(maxDepth === undefined ? {} : { maxDepth }),
  });

/** A JSON document, with objects of any keys. */
const documents = fc.jsonValue({ maxDepth: 4 });

describe('strict JSON', () => {
  it('reads every document that JSON.parse reads alike, and writes as', () => {
    fc.assert(
      fc.property(documents, fc.constantFrom(undefined, 1, '\t'), (value, space) => {
        const text = JSON.stringify(value, null, space);
        const parsed = parse(text);
        if (!parsed.ok) throw new Error(parsed.refusal.message);
        expect(JSON.stringify(parsed.value)).toBe(JSON.stringify(JSON.parse(text)));
      }),
    );
  });

  it('reads nothing that JSON.parse refuses', () => {
    fc.assert(
      fc.property(documents, fc.nat(), fc.string({ maxLength: 3 }), (value, at, junk) => {
        const text = JSON.stringify(value);
        const cut = at % (text.length + 1);
        const bent = text.slice(0, cut) + junk + text.slice(cut);
        let valid = true;
        try {
          JSON.parse(bent);
        } catch {
          valid = false;
        }
        expect(parse(bent).ok && !valid).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  it('reads every string that JSON.parse reads alike, and no other', () => {
    const piece = fc.constantFrom(
      'a',
      '"',
      '\\',
      '\\"',
      '\\u',
      'd83d',
      '\\ude00',
      '\n',
      '\\n',
      '\0',
      'é',
      '\u{1f600}',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = `"${pieces.join('')}"`;
        let value: unknown;
        try {
          value = JSON.parse(text);
        } catch {
          value = undefined;
        }
        const expected = typeof value === 'string' && value.isWellFormed();
        expect(parse(text)).toMatchObject(expected ? { ok: true, value } : { ok: false });
      }),
      { numRuns: 5000 },
    );
  });

  it('T-61: a string of nothing but escape sequences is read as fast as any', () => {
    // As many of them as the test would not live to see the end of, were each put together by itself.
    const bytes = Buffer.from(`"${'\\"'.repeat(8_000_000)}"`);
    for (let times = 0; times < 20; times++)
      expect(parseJson(bytes, { maxBytes: bytes.length })).toMatchObject({ ok: true });
  });

  it('T-12: cut short at any byte is refused', () => {
    const text = '{"a":[1,2,{"b":"x\\u00e9"}],"c":null,"d":true}';
    for (let end = 0; end < text.length; end++) expect(parse(text.slice(0, end)).ok).toBe(false);
  });

  it.each([
    ['T-11: a key twice', '{"a":1,"a":2}'],
    ['T-11: a key twice, one escaped', '{"a":1,"\\u0061":2}'],
    ['T-11: a key twice, deep inside', '{"x":[{"a":1,"b":2,"a":3}]}'],
    ['trailing bytes', '{} {}'],
    ['a trailing comma', '[1,]'],
    ['a comment', '{} // x'],
    ['a byte-order mark', '\ufeff{}'],
    ['a lone surrogate escape', '"\\ud800"'],
    ['a raw control character', '"\u0001"'],
    ['a number with a leading zero', '01'],
    ['a number with a plus', '+1'],
    ['not a number', 'NaN'],
    ['nothing', ''],
    ['single quotes', "{'a':1}"],
  ])('refuses %s', (_what, text) => {
    expect(parse(text)).toMatchObject({ ok: false, refusal: { code: 'JSON_INVALID' } });
  });

  it('refuses bytes that are no UTF-8', () => {
    const bytes = Buffer.concat([Buffer.from('"'), Buffer.from([0xc0, 0xaf]), Buffer.from('"')]);
    expect(parseJson(bytes, { maxBytes: 100 })).toMatchObject({ ok: false });
  });

  it('T-59: is bounded in values, which cost more than the bytes that they stand in', () => {
    const list = (count: number): Buffer => Buffer.from(`[${'{},'.repeat(count - 1)}{}]`);
    const bounds = { maxBytes: 10_000_000, maxValues: 11 };
    expect(parseJson(list(10), bounds).ok).toBe(true);
    expect(parseJson(list(11), bounds)).toMatchObject({
      refusal: { code: 'JSON_INVALID', message: 'expected at most 11 values' },
    });
    expect(parseJson(list(1_000_000), { maxBytes: 10_000_000 }).ok).toBe(false);
  });

  it('T-59, T-61: is bounded in bytes and in depth', () => {
    expect(parseJson(Buffer.alloc(101, ' '), { maxBytes: 100 })).toMatchObject({
      refusal: { code: 'TOO_LARGE' },
    });
    expect(parse('['.repeat(50_000)).ok).toBe(false);
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    expect(parse(nested(9), 8).ok).toBe(true);
    expect(parse(nested(10), 8).ok).toBe(false);
  });

  it('gives objects no members that nobody wrote', () => {
    const parsed = parse('{"__proto__":{"admin":true},"constructor":1}');
    if (!parsed.ok) throw new Error('expected it to parse');
    const object = parsed.value as Record<string, Json>;
    expect(Object.getPrototypeOf(object)).toBeNull();
    expect(Object.keys(object)).toEqual(['__proto__', 'constructor']);
    expect(object['toString']).toBeUndefined();
  });
});
