import { describe, expect, it } from 'vitest';
import { SharedFlight } from '../../src/lib/shared-flight.ts';

/** Work whose end the test decides, and how often it was begun. */
function looks() {
  const ends: ((value: string | Error) => void)[] = [];
  const work = (): Promise<string> =>
    new Promise((resolve, reject) => {
      ends.push((value) => (value instanceof Error ? reject(value) : resolve(value)));
    });
  return { ends, work };
}

/** Lets everything go on that can. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('one look for everybody who asks at the same time', () => {
  const found = (value: string): boolean => value === 'found';

  it('is the look of the first, whoever else asks, where what it found holds for all', async () => {
    const flight = new SharedFlight(found);
    const { ends, work } = looks();
    const all = ['alice', 'bob', 'alice', 'carol'].map((who) => flight.run('key', who, work));
    await settled();
    expect(ends).toHaveLength(1);
    ends[0]?.('found');
    expect(await Promise.all(all)).toEqual(Array(4).fill('found'));
    expect(ends).toHaveLength(1);
  });

  it('T-57: takes no "not found" from the rights of another; each looks, once, with their own', async () => {
    const flight = new SharedFlight(found);
    const { ends, work } = looks();
    const all = ['eve', 'bob', 'bob', 'carol', 'eve'].map((who) => flight.run('key', who, work));
    await settled();
    expect(ends).toHaveLength(1);
    ends[0]?.('hidden from eve');
    await settled();
    expect(ends).toHaveLength(3);
    ends[1]?.('found');
    ends[2]?.('hidden from carol');
    expect(await Promise.all(all)).toEqual([
      'hidden from eve',
      'found',
      'found',
      'hidden from carol',
      'hidden from eve',
    ]);
  });

  it('hands a failure to those with the same rights only, and forgets it', async () => {
    const flight = new SharedFlight(found);
    const { ends, work } = looks();
    const [mine, same, other] = ['eve', 'eve', 'bob'].map((who) => flight.run('key', who, work));
    await settled();
    ends[0]?.(new Error('no answer'));
    await expect(mine).rejects.toThrow('no answer');
    await expect(same).rejects.toThrow('no answer');
    await settled();
    ends[1]?.('found');
    expect(await other).toBe('found');
    const later = flight.run('key', 'eve', work);
    ends[2]?.('found');
    expect(await later).toBe('found');
  });

  it('is another one for every key, and a new one when the first has ended', async () => {
    const flight = new SharedFlight(found);
    const { ends, work } = looks();
    const both = [flight.run('a', 'bob', work), flight.run('b', 'bob', work)];
    for (const end of ends) end('found');
    await Promise.all(both);
    const again = flight.run('a', 'bob', work);
    expect(ends).toHaveLength(3);
    ends[2]?.('found');
    expect(await again).toBe('found');
  });
});
