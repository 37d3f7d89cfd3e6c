import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Mutex, SingleFlight } from '../../src/lib/single-flight.ts';

describe('single flight', () => {
  it('gives all who ask meanwhile the one answer, or the one failure, and keeps neither', async () => {
    const flight = new SingleFlight<number>();
    let begun = 0;
    const work = async (): Promise<number> => {
      const mine = ++begun;
      await turn();
      if (mine === 2) throw new Error('two');
      return mine;
    };
    expect(await Promise.all([flight.run('a', work), flight.run('a', work)])).toEqual([1, 1]);
    const failed = [flight.run('a', work), flight.run('a', work)];
    for (const one of failed) await expect(one).rejects.toThrow('two');
    expect(await flight.run('a', work)).toBe(3);
    expect(await Promise.all([flight.run('a', work), flight.run('b', work)])).toEqual([4, 5]);
  });
});

describe('work under one key', () => {
  it('runs one after the other in the order of asking, also behind a failure', async () => {
    const mutex = new Mutex();
    const seen: string[] = [];
    const step = (name: string, turns: number) => async (): Promise<string> => {
      seen.push(`${name} begins`);
      for (let i = 0; i < turns; i++) await turn();
      seen.push(`${name} ends`);
      if (name === 'second') throw new Error(name);
      return name;
    };
    const all = await Promise.allSettled([
      mutex.run('key', step('first', 5)),
      mutex.run('key', step('second', 3)),
      mutex.run('key', step('third', 1)),
    ]);
    expect(all.map((one) => one.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(seen).toEqual(
      ['first', 'second', 'third'].flatMap((name) => [`${name} begins`, `${name} ends`]),
    );
  });

  it('does not wait for work under another key', async () => {
    const mutex = new Mutex();
    let free = (): void => {};
    const stuck = mutex.run('a', () => new Promise<void>((resolve) => (free = resolve)));
    expect(await mutex.run('b', async () => 'done')).toBe('done');
    free();
    await stuck;
  });
});
