import { describe, expect, it } from 'vitest';
import { withinDeadline } from '../../src/admission/deadline.ts';

describe('asking within a deadline', () => {
  it('gives every answer that comes in time, in order', async () => {
    const answers = await withinDeadline([3, 1, 2], 2, 10_000, async (n) => n * 2);
    expect(answers).toEqual([6, 2, 4]);
    expect(await withinDeadline([], 2, 0, async (n) => n)).toEqual([]);
  });

  it('says "late" of what has no answer by then, tells it so, and begins nothing further', async () => {
    const begun: number[] = [];
    const never = new Promise<never>(() => undefined);
    let told: (() => boolean) | undefined;
    const answers = await withinDeadline([0, 1, 2, 3, 4], 2, 20, (n, expired) => {
      begun.push(n);
      told = expired;
      return n === 0 ? Promise.resolve('done') : never;
    });
    expect(answers).toEqual(['done', 'late', 'late', 'late', 'late']);
    expect(begun).toEqual([0, 1, 2]);
    expect(told?.()).toBe(true);
  });
});
