import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseContentRange, parseRange } from '../../src/registry/range.ts';

describe('parseRange', () => {
  it('reads the three forms of one range', () => {
    expect(parseRange('bytes=2-5', 10)).toEqual({ first: 2, last: 5 });
    expect(parseRange('bytes=2-', 10)).toEqual({ first: 2, last: 9 });
    expect(parseRange('bytes=-3', 10)).toEqual({ first: 7, last: 9 });
    expect(parseRange('bytes=-30', 10)).toEqual({ first: 0, last: 9 });
    expect(parseRange('bytes=5-99', 10)).toEqual({ first: 5, last: 9 });
  });

  it('takes the whole for no range, another unit and several ranges', () => {
    for (const header of [undefined, 'lines=1-2', 'bytes=0-1,3-4'])
      expect(parseRange(header, 10)).toBe('whole');
  });

  it('finds nothing for ranges outside the content, backwards ones and ones that are none', () => {
    for (const header of ['bytes=10-', 'bytes=5-2', 'bytes=-0', 'bytes=-', 'bytes=x-y', 'bytes=1'])
      expect([header, parseRange(header, 10)]).toEqual([header, 'unsatisfiable']);
    expect(parseRange('bytes=0-', 0)).toBe('unsatisfiable');
    expect(parseRange('bytes=-1', 0)).toBe('unsatisfiable');
  });

  it('never leaves the content', () => {
    const number = fc.oneof(fc.nat(20).map(String), fc.constantFrom('', '9'.repeat(16), '-1'));
    fc.assert(
      fc.property(number, number, fc.nat(15), (first, last, size) => {
        const range = parseRange(`bytes=${first}-${last}`, size);
        if (typeof range === 'string') return;
        expect(range.first).toBeGreaterThanOrEqual(0);
        expect(range.last).toBeGreaterThanOrEqual(range.first);
        expect(range.last).toBeLessThan(size);
      }),
    );
  });
});

describe('parseContentRange', () => {
  it('reads first and last', () => {
    expect(parseContentRange('0-0')).toEqual({ first: 0, last: 0 });
    expect(parseContentRange('1024-2047')).toEqual({ first: 1024, last: 2047 });
  });

  it('reads nothing else', () => {
    for (const header of [
      '',
      '5',
      '5-',
      '-5',
      '5-4',
      'bytes 0-5/6',
      '0-5/6',
      ' 0-5',
      '0-1e3',
      '0x1-5',
    ])
      expect([header, parseContentRange(header)]).toEqual([header, undefined]);
  });
});
