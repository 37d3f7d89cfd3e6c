import fc from 'fast-check';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Write } from '../../src/store/store.ts';
import { startChild, waitFor } from '../support/child.ts';
import {
  allEvents,
  checkLog,
  digestFor,
  eventWrite,
  newHold,
  openAt,
  refusal,
  repo,
  storeSuite,
} from '../support/store.ts';

const CHILD = join(import.meta.dirname, '../support/store-child.ts');

/** Every engine of store/open.ts keeps this contract. */
describe.each(['sqlite'])('the store contract, kept by %s', (engine) => {
  const { folder, withStore } = storeSuite(engine);

  describe('events', () => {
    it('get dense numbers in the order of commit, each log its own', () =>
      withStore(async (store) => {
        const { events } = await store.commit([
          eventWrite({ log: 'sig' }),
          eventWrite({ log: 'dec' }),
          eventWrite({ log: 'dec' }),
          eventWrite({ log: 'sig' }),
        ]);
        expect(events.map((one) => [one.sequence, one.log, one.index])).toEqual([
          [1, 'sig', 0],
          [2, 'dec', 0],
          [3, 'dec', 1],
          [4, 'sig', 1],
        ]);
      }));

    it('come back as they were written', () =>
      withStore(async (store) => {
        const data = { text: 'ü "quoted"   \\', list: [1, null, true], nested: { b: 1, a: 2 } };
        const given = { log: 'dec', type: 'deny', tag: '1.0', actor: 'bob', data } as const;
        const { events } = await store.commit([eventWrite(given)]);
        expect(await store.events({ limit: 1 })).toEqual(events);
        expect(events[0]).toMatchObject({
          ...given,
          repository: repo('app'),
          digest: digestFor('app'),
        });
      }));

    it('are stored once for one key: a repeat gives the stored one, whoever brings it', () =>
      withStore(async (store) => {
        const first = await store.commit([eventWrite({ key: 'k', actor: 'alice' })]);
        const again = await store.commit([eventWrite({ key: 'k', actor: 'bob' })]);
        expect(again.events).toEqual(first.events);
        expect(await store.counts()).toEqual({ sig: 1, dec: 0 });
      }));

    it('conflict where one key is used for something else, and that commit changes nothing', () =>
      withStore(async (store) => {
        await store.commit([eventWrite({ key: 'k' })]);
        for (const other of [
          { data: { n: 2 } },
          { tag: 'x' },
          { log: 'dec' as const },
          { type: 'deny' },
        ]) {
          await expect(
            store.commit([eventWrite(), eventWrite({ key: 'k', ...other })]),
          ).rejects.toEqual(refusal('STORE_CONFLICT'));
        }
        expect(await store.counts()).toEqual({ sig: 1, dec: 0 });
      }));

    it('never go back in time, even when the clock does', () => {
      let now = 2_000_000_000_000;
      return withStore(
        async (store) => {
          const first = await store.commit([eventWrite()]);
          now -= 3_600_000;
          const second = await store.commit([eventWrite()]);
          now += 7_200_000;
          const third = await store.commit([eventWrite()]);
          expect([first, second, third].map((one) => one.events[0]?.time)).toEqual([
            2_000_000_000_000, 2_000_000_000_000, 2_000_003_600_000,
          ]);
        },
        () => new Date(now),
      );
    });

    it.each([
      ['a type that is no word', { type: 'Not A Type' }, 'REQUEST_INVALID'],
      ['a short key', { idempotencyKey: Buffer.alloc(31) }, 'REQUEST_INVALID'],
      ['a fraction in its data', { data: { n: 0.5 } }, 'REQUEST_INVALID'],
      ['an unpaired surrogate', { data: { text: '\ud800' } }, 'JSON_INVALID'],
      ['data over the bound', { data: { text: 'x'.repeat(13_000) } }, 'TOO_LARGE'],
      ['a body over the bound', { actor: 'x'.repeat(17_000) }, 'TOO_LARGE'],
    ])('with %s are refused', (_name, over, code) =>
      withStore(async (store) => {
        await expect(store.commit([eventWrite(), eventWrite(over)])).rejects.toEqual(refusal(code));
        expect(await store.counts()).toEqual({ sig: 0, dec: 0 });
      }),
    );

    it('stay dense and unique whatever is repeated, in whatever groups', () =>
      withStore(async (store) => {
        const write = fc.record({ key: fc.integer({ min: 0, max: 12 }), dec: fc.boolean() });
        const commits = fc.array(fc.array(write, { minLength: 1, maxLength: 4 }), {
          maxLength: 12,
        });
        let run = 0;
        const repeating = fc.asyncProperty(commits, async (lists) => {
          run++;
          const before = await store.counts();
          const settled = await Promise.allSettled(
            lists.map((list) =>
              store.commit(
                list.map(({ key, dec }) =>
                  eventWrite({ key: `${run}-${key}`, log: dec ? 'dec' : 'sig' }),
                ),
              ),
            ),
          );
          // The log belongs to the content: a key that comes back with the other log conflicts.
          let model = new Map<number, boolean>();
          const expected = lists.map((list) => {
            const after = new Map(model);
            for (const { key, dec } of list) after.set(key, after.get(key) ?? dec);
            const fits = list.every(({ key, dec }) => after.get(key) === dec);
            if (fits) model = after;
            return fits ? 'fulfilled' : 'rejected';
          });
          expect(settled.map((one) => one.status)).toEqual(expected);
          const dec = [...model.values()].filter(Boolean).length;
          expect(await store.counts()).toEqual({
            sig: before.sig + model.size - dec,
            dec: before.dec + dec,
          });
        });
        await fc.assert(repeating, { numRuns: 40 });
      }));
  });

  describe('commits', () => {
    it('are all or nothing, whichever write fails', () =>
      withStore(async (store) => {
        const writes: Write[] = [
          eventWrite(),
          { kind: 'hold-add', hold: newHold() },
          {
            kind: 'edges',
            repository: repo('app'),
            parent: digestFor('p'),
            children: [digestFor('c')],
          },
          { kind: 'pushed', repository: repo('app'), digest: digestFor('c'), by: 'ci', at: 5 },
          { kind: 'revoke', revocation: { kind: 'key', keyId: 'k', reason: 'lost' }, by: 'alice' },
          { kind: 'hold-move', id: 99, from: 'waiting', to: 'promoting' },
        ];
        await expect(store.commit(writes)).rejects.toEqual(refusal('STORE_CONFLICT'));
        expect(await store.counts()).toEqual({ sig: 0, dec: 0 });
        expect(await store.holds({ states: ['waiting'] })).toEqual([]);
        expect(await store.children(repo('app'), digestFor('p'))).toEqual([]);
        expect(await store.pushedAt(repo('app'), digestFor('c'))).toBeNull();
        expect(await store.revocations()).toEqual([]);
        expect(await store.trustRevision()).toBe(0);
      }));

    it('of 200 at once all land, in order, and one that fails fails alone', () =>
      withStore(async (store) => {
        await store.commit([eventWrite({ key: 'taken' })]);
        const settled = await Promise.allSettled(
          Array.from({ length: 200 }, (_, n) =>
            store.commit([
              eventWrite({ data: { n } }),
              ...(n % 10 === 3 ? [eventWrite({ key: 'taken', data: { n } })] : []),
            ]),
          ),
        );
        const landed = settled.flatMap((one) =>
          one.status === 'fulfilled' ? one.value.events : [],
        );
        expect(landed.map((one) => one.data['n'])).toEqual(
          Array.from({ length: 200 }, (_, n) => n).filter((n) => n % 10 !== 3),
        );
        expect(landed.map((one) => one.index)).toEqual(landed.map((_, at) => at + 1));
        const failed = settled.filter((_, n) => n % 10 === 3);
        for (const one of failed)
          expect(one).toMatchObject({ status: 'rejected', reason: { code: 'STORE_CONFLICT' } });
      }));

    it('are read by whatever begins after them', () =>
      withStore(async (store) => {
        for (let n = 0; n < 100; n++) {
          const { events } = await store.commit([eventWrite()]);
          expect((await store.events({ limit: 1 }))[0]).toEqual(events[0]);
        }
      }));

    it('survive closing and opening again', async () => {
      const data = folder();
      const first = await openAt(data, undefined, engine);
      const hold = newHold();
      await first.commit([eventWrite(), eventWrite({ log: 'dec' }), { kind: 'hold-add', hold }]);
      const events = await allEvents(first);
      await first.close();
      const second = await openAt(data, undefined, engine);
      expect(await checkLog(second)).toEqual(events);
      expect(await second.holds({ states: ['waiting'] })).toEqual([
        { ...hold, id: 1, state: 'waiting' },
      ]);
      const { events: more } = await second.commit([eventWrite()]);
      expect(more[0]).toMatchObject({ sequence: 3, index: 1 });
      await second.close();
    });

    it('that were accepted before close are stored; later calls are refused', async () => {
      const data = folder();
      const store = await openAt(data, undefined, engine);
      const commits = Array.from({ length: 50 }, () => store.commit([eventWrite()]));
      await store.close();
      await store.close();
      expect(await Promise.all(commits)).toHaveLength(50);
      await expect(store.commit([eventWrite()])).rejects.toEqual(refusal('STORE_UNAVAILABLE'));
      await expect(store.counts()).rejects.toEqual(refusal('STORE_UNAVAILABLE'));
    });

    it('more than may wait are refused, and none that was accepted is lost', () =>
      withStore(async (store) => {
        const settled = await Promise.allSettled(
          Array.from({ length: 4200 }, () => store.commit([eventWrite()])),
        );
        const refused = settled.filter((one) => one.status === 'rejected');
        expect(refused).toHaveLength(4200 - 4096);
        expect(refused[0]?.reason).toEqual(refusal('STORE_UNAVAILABLE'));
        expect(await store.counts()).toEqual({ sig: 4096, dec: 0 });
        await store.commit([eventWrite()]);
      }));

    it('that were acknowledged are there after kill -9, ten times over', async () => {
      const data = folder();
      const acknowledged = new Map<string, string>();
      for (let round = 0; round < 10; round++) {
        const child = startChild(process.execPath, [CHILD, data, String(round)]);
        const lines = 20 + round * 40;
        await waitFor(child, 'the store', () =>
          child.stdout().split('\n').length > lines ? true : undefined,
        );
        await child.kill();
        // The last line may be cut off; the others were acknowledged.
        for (const line of child.stdout().split('\n').slice(1, -1)) {
          const [key = '', log, index] = line.split(' ');
          acknowledged.set(key, `${log} ${index}`);
        }
      }
      const store = await openAt(data, () => new Date(), engine);
      const events = await checkLog(store);
      const stored = new Map(events.map((one) => [one.data['key'], `${one.log} ${one.index}`]));
      expect(acknowledged.size).toBeGreaterThan(10 * 20);
      const lost = [...acknowledged].filter(([key, place]) => stored.get(key) !== place);
      expect(lost).toEqual([]);
      await store.close();
    }, 120_000);
  });

  describe('queries', () => {
    it('find events by every field, newest first, page by page', () =>
      withStore(async (store) => {
        const writes = Array.from({ length: 60 }, (_, n) =>
          eventWrite({
            log: n % 3 === 0 ? 'dec' : 'sig',
            type: n % 2 === 0 ? 'deny' : 'signature',
            repository: n % 5 === 0 ? null : repo(`app${n % 4}`),
            tag: n % 5 === 0 || n % 7 === 0 ? null : `t${n % 3}`,
            digest: n % 6 === 0 ? null : digestFor(`d${n % 6}`),
          }),
        );
        const { events } = await store.commit(writes);
        const queries = fc
          .record(
            {
              repository: fc.constantFrom(repo('app0'), repo('app1'), repo('none')),
              tag: fc.constantFrom('t0', 't1', 'none'),
              digest: fc.constantFrom(digestFor('d1'), digestFor('d2')),
              type: fc.constantFrom('deny', 'signature', 'none'),
              log: fc.constantFrom('sig' as const, 'dec' as const),
              index: fc.integer({ min: 0, max: 20 }),
              before: fc.integer({ min: 0, max: 70 }),
            },
            { requiredKeys: [] },
          )
          .filter((query) => query.tag === undefined || query.repository !== undefined);
        await fc.assert(
          fc.asyncProperty(queries, fc.integer({ min: 1, max: 20 }), async (query, limit) => {
            const { before, ...fields } = query;
            const wanted = events
              .filter((one) => one.sequence < (before ?? Infinity))
              .filter((one) =>
                Object.entries(fields).every(
                  ([name, value]) => one[name as keyof typeof one] === value,
                ),
              )
              .toReversed()
              .slice(0, limit);
            expect(await store.events({ ...query, limit })).toEqual(wanted);
          }),
        );
      }));

    it('refuse a tag without a repository', () =>
      withStore(async (store) => {
        await expect(store.events({ tag: 'a', limit: 1 })).rejects.toEqual(
          refusal('REQUEST_INVALID'),
        );
      }));

    it.each([0, -1, 1001, 1.5, Number.NaN])('refuse a limit of %d', (limit) =>
      withStore(async (store) => {
        await expect(store.events({ limit })).rejects.toEqual(refusal('REQUEST_INVALID'));
      }),
    );
  });
});
