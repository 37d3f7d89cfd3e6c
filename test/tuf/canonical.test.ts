import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json } from '../../src/lib/json.ts';
import { parseJson } from '../../src/lib/json.ts';
import { unwrap } from '../../src/lib/result.ts';
import { notaryCanonical, sortByUtf8 } from '../../src/tuf/canonical.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 12 }).filter((one) => one.isWellFormed());
const { value } = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, false),
    fc.maxSafeInteger(),
    text,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(text, tie('value'), { maxKeys: 6 }),
  ),
}));

/** Another formulation: byte strings all the way, ordered as bytes in hex. */
function independent(json: Json): string {
  if (typeof json === 'string') {
    return `"${Array.from(json, (one) => (one === '"' || one === '\\' ? `\\${one}` : one)).join('')}"`;
  }
  if (Array.isArray(json)) return `[${json.map((one: Json) => independent(one)).join(',')}]`;
  if (typeof json === 'object' && json !== null) {
    const entries = Object.entries(json as Record<string, Json>).map(([name, one]) => ({
      order: Buffer.from(name).toString('hex'),
      text: `${independent(name)}:${independent(one)}`,
    }));
    entries.sort((a, b) => (a.order < b.order ? -1 : 1));
    return `{${entries.map((one) => one.text).join(',')}}`;
  }
  return JSON.stringify(json);
}

describe('canonical JSON of Notary', () => {
  it('agrees with an independent formulation', () => {
    fc.assert(
      fc.property(value, (json) => {
        expect(notaryCanonical(json)).toBe(independent(json));
      }),
    );
  });

  it('does not depend on the order or spacing in which a document was written', () => {
    const written = fc.tuple(value, fc.constantFrom(undefined, 1, '\t'));
    fc.assert(
      fc.property(written, ([json, space]) => {
        const bytes = Buffer.from(JSON.stringify(json, null, space));
        const parsed = unwrap(parseJson(bytes, { maxBytes: 1_000_000 }));
        expect(notaryCanonical(parsed)).toBe(notaryCanonical(json));
      }),
    );
  });

  it('sorts by UTF-8 bytes, where UTF-16 would sort otherwise', () => {
    expect(sortByUtf8(['\u{1f600}', '\uff01', 'a'])).toEqual(['a', '\uff01', '\u{1f600}']);
    expect(['\u{1f600}', '\uff01'].toSorted()).toEqual(['\u{1f600}', '\uff01']);
  });

  it('escapes nothing but the quote and the backslash', () => {
    expect(notaryCanonical('a"b\\c\n<&>\u2028é')).toBe('"a\\"b\\\\c\n<&>\u2028é"');
  });

  it.each([0.5, 2 ** 53, -(2 ** 53), 1e300])('has no form for %d', (number) => {
    expect(notaryCanonical({ nested: [number] })).toBeUndefined();
  });

  it('writes every integer as digits', () => {
    expect(notaryCanonical([-0, 1e2, -1, Number.MAX_SAFE_INTEGER])).toBe(
      '[0,100,-1,9007199254740991]',
    );
  });
});
