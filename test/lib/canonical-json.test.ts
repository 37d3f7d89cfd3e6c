import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../src/lib/canonical-json.ts';
import type { Json } from '../../src/lib/json.ts';
import { parseJson } from '../../src/lib/json.ts';

/** One whose numbers have one spelling only. */
const whole = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 3 },
    fc.string(),
    fc.boolean(),
    fc.constant(null),
    fc.maxSafeInteger(),
    fc.array(tie('any')),
    fc.dictionary(fc.string(), tie('any')),
  ),
})).any;

describe('canonical JSON', () => {
  it('is the same however the members are ordered, and reads back as the same document', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), whole), (object) => {
        const entries = Object.entries(object);
        const turned = Object.fromEntries(entries.toReversed());
        const text = canonicalJson(object as Json);
        expect(canonicalJson(turned as Json)).toBe(text);
        const parsed = parseJson(Buffer.from(text), { maxBytes: 100_000 });
        if (!parsed.ok) throw new Error(parsed.refusal.message);
        expect(canonicalJson(parsed.value)).toBe(text);
      }),
    );
  });

  it('throws at a number that readers may spell or read in several ways', () => {
    for (const number of [0.5, 2 ** 53, Number.NaN])
      expect(() => canonicalJson({ number })).toThrow(RangeError);
  });
});
