import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { KeyedLock } from '../../src/registry/lock.ts';

describe('KeyedLock', () => {
  it('runs work on one key in order of arrival, never two at once', async () => {
    const lock = new KeyedLock();
    const seen: string[] = [];
    const work = (name: string) => async () => {
      seen.push(`${name} in`);
      await sleep(2);
      seen.push(`${name} out`);
      return name;
    };
    const all = await Promise.all(['a', 'b', 'c'].map((name) => lock.run('key', work(name))));
    expect(all).toEqual(['a', 'b', 'c']);
    expect(seen).toEqual(['a in', 'a out', 'b in', 'b out', 'c in', 'c out']);
  });

  it('does not hold up other keys', async () => {
    const lock = new KeyedLock();
    const gate = Promise.withResolvers<void>();
    const held = lock.run('one', () => gate.promise);
    expect(await lock.run('two', async () => 'done')).toBe('done');
    gate.resolve();
    await held;
  });

  it('goes on after a failure, which is the failing caller’s own', async () => {
    const lock = new KeyedLock();
    const failing = lock.run('key', async () => {
      throw new Error('broken');
    });
    const next = lock.run('key', async () => 'done');
    await expect(failing).rejects.toThrow('broken');
    expect(await next).toBe('done');
  });
});
