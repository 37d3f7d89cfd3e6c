import { describe, expect, it } from 'vitest';
import { showCounting } from '../../cli/counting.ts';
import type { Output } from '../../cli/output.ts';

/** What a count of `total` prints where nobody watches a terminal. */
function linesOf(total: number, begun = 0): readonly string[] {
  const lines: string[] = [];
  const output: Output = {
    json: false,
    interactive: false,
    result: () => {},
    note: (text) => lines.push(text),
    warn: () => {},
    fail: () => {},
  };
  const counting = showCounting(output, { doing: 'scanned', total, begun });
  for (let n = begun; n < total; n++) counting.step('2 would be refused');
  counting.end();
  return lines;
}

describe('a long count without a terminal', () => {
  it('is a line for each twentieth, and none for what is done at once', () => {
    expect(linesOf(10_000)).toHaveLength(19);
    expect(linesOf(10_000)[0]).toBe('scanned 500 of 10000: 2 would be refused');
    expect(linesOf(250)).toEqual([
      'scanned 100 of 250: 2 would be refused',
      'scanned 200 of 250: 2 would be refused',
    ]);
    expect(linesOf(99)).toEqual([]);
  });

  it('goes on from where it was', () => {
    expect(linesOf(10_000, 9_400)).toEqual(['scanned 9500 of 10000: 2 would be refused']);
  });
});
