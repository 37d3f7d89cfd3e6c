import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { mapParallel } from '../../src/lib/parallel.ts';

describe('mapping in parallel', () => {
  it('keeps the order, and has at most so many calls under way', async () => {
    let under = 0;
    let most = 0;
    const out = await mapParallel([5, 1, 4, 2, 3], 2, async (n, index) => {
      most = Math.max(most, ++under);
      for (let i = 0; i < n; i++) await turn();
      under--;
      return [index, n * n];
    });
    expect(out).toEqual([
      [0, 25],
      [1, 1],
      [2, 16],
      [3, 4],
      [4, 9],
    ]);
    expect(most).toBe(2);
    expect(await mapParallel([], 3, async () => 1)).toEqual([]);
  });

  it('fails with the first failure, begins nothing after it and leaves nothing running', async () => {
    const begun: number[] = [];
    let under = 0;
    const run = mapParallel([1, 2, 3, 4, 5], 2, async (n) => {
      begun.push(n);
      under++;
      await turn();
      if (n === 2) {
        under--;
        throw new Error('two');
      }
      for (let i = 0; i < 5; i++) await turn();
      under--;
    });
    await expect(run).rejects.toThrow('two');
    expect(begun).toEqual([1, 2]);
    expect(under).toBe(0);
  });
});
