import fc from 'fast-check';
import { expect, it } from 'vitest';
import { compareNatural } from '../../../cli/docker-trust/natural.ts';

it('tags are sorted by the value of their numbers', () => {
  const expected = '1 1.2 1.9 1.10 01 2 10 a a1 a2 a02 a10 b'.split(' ');
  expect(expected.toSorted().toSorted(compareNatural)).toEqual(expected);
});

it('any two tags are in one order, and only equal ones are equal', () => {
  const tag = fc.stringMatching(/^[a-c0-2.-]{0,6}$/);
  fc.assert(
    fc.property(tag, tag, tag, (a, b, c) => {
      expect(Math.sign(compareNatural(a, b))).toBe(-Math.sign(compareNatural(b, a)) + 0);
      expect(compareNatural(a, b) === 0).toBe(a === b);
      if (compareNatural(a, b) <= 0 && compareNatural(b, c) <= 0) {
        expect(compareNatural(a, c)).toBeLessThanOrEqual(0);
      }
    }),
  );
});
