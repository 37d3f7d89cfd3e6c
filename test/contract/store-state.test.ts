import { describe, expect, it } from 'vitest';
import type { Digest } from '../../src/oci/digest.ts';
import type { ArtifactRecord, HoldState, Revocation, Store, Write } from '../../src/store/store.ts';
import { digestFor, eventWrite, newHold, refusal, repo, storeSuite } from '../support/store.ts';

/** What a store keeps beside the record; every engine of store/open.ts keeps this contract. */
describe.each(['sqlite'])('the state of a store, kept by %s', (engine) => {
  const { withStore } = storeSuite(engine);

  describe('holds', () => {
    const all: readonly HoldState[] = ['waiting', 'promoting', 'promoted', 'expired', 'superseded'];
    const legal: Readonly<Record<HoldState, readonly HoldState[]>> = {
      waiting: ['promoting', 'expired', 'superseded'],
      promoting: ['promoted', 'waiting', 'expired', 'superseded'],
      promoted: [],
      expired: [],
      superseded: [],
    };
    const roads: Readonly<Record<HoldState, readonly HoldState[]>> = {
      waiting: [],
      promoting: ['promoting'],
      promoted: ['promoting', 'promoted'],
      expired: ['expired'],
      superseded: ['superseded'],
    };

    async function walk(store: Store, id: number, road: readonly HoldState[]): Promise<void> {
      let from: HoldState = 'waiting';
      for (const to of road) {
        await store.commit([{ kind: 'hold-move', id, from, to }]);
        from = to;
      }
    }

    const pairs = all.flatMap((from) => all.map((to) => ({ from, to })));
    const isLegal = ({ from, to }: (typeof pairs)[number]): boolean => legal[from].includes(to);

    it.each(pairs.filter(isLegal))('move from $from to $to', ({ from, to }) =>
      withStore(async (store) => {
        await store.commit([{ kind: 'hold-add', hold: newHold() }]);
        await walk(store, 1, roads[from]);
        await store.commit([eventWrite(), { kind: 'hold-move', id: 1, from, to }]);
        expect((await store.hold(1))?.state).toBe(to);
        expect(await store.counts()).toEqual({ sig: 1, dec: 0 });
      }),
    );

    it.each(pairs.filter((pair) => !isLegal(pair)))(
      'never move from $from to $to',
      ({ from, to }) =>
        withStore(async (store) => {
          await store.commit([{ kind: 'hold-add', hold: newHold() }]);
          await walk(store, 1, roads[from]);
          const move = store.commit([eventWrite(), { kind: 'hold-move', id: 1, from, to }]);
          await expect(move).rejects.toEqual(refusal('STORE_CONFLICT'));
          expect((await store.hold(1))?.state).toBe(from);
          expect(await store.counts()).toEqual({ sig: 0, dec: 0 });
        }),
    );

    it('are claimed by exactly one of many who try', () =>
      withStore(async (store) => {
        const { holds } = await store.commit([{ kind: 'hold-add', hold: newHold() }]);
        const id = holds[0]?.id ?? 0;
        const tries = await Promise.allSettled(
          Array.from({ length: 20 }, () =>
            store.commit([
              eventWrite(),
              { kind: 'hold-move', id, from: 'waiting', to: 'promoting' },
            ]),
          ),
        );
        expect(tries.filter((one) => one.status === 'fulfilled')).toHaveLength(1);
        expect(await store.counts()).toEqual({ sig: 1, dec: 0 });
      }));

    it('are moved once when the same commit is repeated', () =>
      withStore(async (store) => {
        const { holds } = await store.commit([{ kind: 'hold-add', hold: newHold() }]);
        const id = holds[0]?.id ?? 0;
        const writes: Write[] = [
          { kind: 'hold-move', id, from: 'waiting', to: 'promoting' },
          eventWrite({ key: 'intent' }),
        ];
        const first = await store.commit(writes);
        expect((await store.commit(writes)).events).toEqual(first.events);
        expect((await store.hold(id))?.state).toBe('promoting');
      }));

    it('keep the manifest while it may be needed, and drop it at the end', () =>
      withStore(async (store) => {
        const hold = newHold({ manifest: Buffer.from([0, 255, 10]) });
        const { holds } = await store.commit([{ kind: 'hold-add', hold }]);
        const id = holds[0]?.id ?? 0;
        expect(holds[0]).toEqual({ ...hold, id, state: 'waiting' });
        await walk(store, id, ['promoting']);
        expect(await store.hold(id)).toEqual({ ...hold, id, state: 'promoting' });
        await store.commit([{ kind: 'hold-move', id, from: 'promoting', to: 'promoted' }]);
        expect((await store.hold(id))?.manifest).toHaveLength(0);
      }));

    it('pushed again after another push of the tag come after it', () =>
      withStore(async (store) => {
        const add = async (over: Parameters<typeof newHold>[0]): Promise<number | undefined> =>
          (await store.commit([{ kind: 'hold-add', hold: newHold(over) }])).holds[0]?.id;
        const first = await add({ pushedAt: 1 });
        const other = (await add({ digest: digestFor('other'), pushedAt: 2 })) ?? 0;
        const again = (await add({ pushedAt: 3 })) ?? 0;
        expect(again).toBeGreaterThan(other);
        expect((await store.holds({ states: ['waiting'] })).map((hold) => hold.id)).toEqual([
          other,
          again,
        ]);
        expect(await store.hold(first ?? 0)).toBeNull();
      }));

    it('of the same content still waiting are renewed in place; others queue in order of arrival', () =>
      withStore(async (store) => {
        const add = async (over: Parameters<typeof newHold>[0]): Promise<number | undefined> =>
          (await store.commit([{ kind: 'hold-add', hold: newHold(over) }])).holds[0]?.id;
        const first = await add({ pushedAt: 1, expiresAt: 10 });
        const other = await add({ pushedAt: 2, tag: 'other', digest: digestFor('other') });
        expect(await add({ pushedAt: 3, expiresAt: 30 })).toBe(first);
        expect(await add({ pushedAt: 3, expiresAt: 30 })).toBe(first);
        const waiting = await store.holds({ repository: repo('app'), states: ['waiting'] });
        expect(waiting.map((one) => [one.id, one.expiresAt])).toEqual([
          [first, 30],
          [other, 1_700_000_600_000],
        ]);
        await walk(store, first ?? 0, ['promoting', 'promoted']);
        const again = await add({ pushedAt: 4 });
        expect(again).toBeGreaterThan(other ?? 0);
        expect(await store.holds({ states: ['waiting'], after: other ?? 0 })).toHaveLength(1);
      }));

    it('are counted, and listed by no more bytes than fit in memory', () =>
      withStore(async (store) => {
        const big = new Uint8Array(4 * 1024 * 1024);
        for (let n = 0; n < 20; n++) {
          const repository = repo(`big${n % 4}`);
          await store.commit([
            { kind: 'hold-add', hold: newHold({ repository, tag: `t${n}`, manifest: big }) },
          ]);
        }
        expect(await store.waiting()).toBe(20);
        const page = await store.holds({ states: ['waiting'] });
        expect(page).toHaveLength(16);
        expect(
          await store.holds({ states: ['waiting'], after: page.at(-1)?.id ?? 0 }),
        ).toHaveLength(4);
      }));

    it('are found by repository, tag, digest and state', () =>
      withStore(async (store) => {
        await store.commit([
          { kind: 'hold-add', hold: newHold({ tag: 'a' }) },
          { kind: 'hold-add', hold: newHold({ tag: 'b' }) },
          {
            kind: 'hold-add',
            hold: newHold({ repository: repo('other'), digest: digestFor('o') }),
          },
        ]);
        await walk(store, 2, ['expired']);
        const ids = async (filter: Parameters<Store['holds']>[0]): Promise<number[]> =>
          (await store.holds(filter)).map((one) => one.id);
        expect(await ids({ states: all })).toEqual([1, 2, 3]);
        expect(await ids({ states: ['expired'] })).toEqual([2]);
        expect(await ids({ states: [] })).toEqual([]);
        expect(await ids({ states: all, repository: repo('app'), tag: 'b' })).toEqual([2]);
        expect(await ids({ states: all, digest: digestFor('o') })).toEqual([3]);
        expect(await store.hold(4)).toBeNull();
      }));

    it('are bounded in each repository', () =>
      withStore(async (store) => {
        const add = (n: number, over: Parameters<typeof newHold>[0] = {}): Write => ({
          kind: 'hold-add',
          hold: newHold({ tag: `t${n}`, ...over }),
        });
        await store.commit(Array.from({ length: 256 }, (_, n) => add(n)));
        await expect(store.commit([add(256)])).rejects.toEqual(refusal('STORAGE_FULL'));
        await store.commit([add(0, { pushedAt: 7 }), add(1, { repository: repo('other') })]);
        await store.commit([{ kind: 'hold-move', id: 1, from: 'waiting', to: 'expired' }]);
        await store.commit([add(256)]);
      }));

    it('of a push that only passes are not bounded by those that wait', () =>
      withStore(async (store) => {
        const add = (n: number, passing: boolean): Write => ({
          kind: 'hold-add',
          hold: newHold({ tag: `t${n}` }),
          passing,
        });
        await store.commit(Array.from({ length: 256 }, (_, n) => add(n, false)));
        expect((await store.commit([add(256, true)])).holds[0]?.state).toBe('waiting');
        await expect(store.commit([add(257, false)])).rejects.toEqual(refusal('STORAGE_FULL'));
      }));
  });

  describe('what was seen', () => {
    it('remembers artifacts of one repository, with the last that they were checked to be', () =>
      withStore(async (store) => {
        const digest = digestFor('a');
        const write = (artifact: ArtifactRecord): Write => ({
          kind: 'artifact',
          repository: repo('app'),
          digest,
          artifact,
        });
        const first = { kind: 'signature', name: 'sha256-0.sig', only: true } as const;
        expect(await store.artifact(repo('app'), digest)).toBeNull();
        await store.commit([write(first)]);
        expect(await store.artifact(repo('app'), digest)).toEqual(first);
        expect(await store.artifact(repo('other'), digest)).toBeNull();
        const second = { kind: 'index', name: 'sha256-1', only: false } as const;
        await store.commit([write(second)]);
        expect(await store.artifact(repo('app'), digest)).toEqual(second);
        await store.commit([write({ ...second, only: true })]);
        expect(await store.artifact(repo('app'), digest)).toEqual(second);
        await store.commit([{ kind: 'artifact-gone', repository: repo('app'), digest }]);
        expect(await store.artifact(repo('app'), digest)).toBeNull();
        await store.commit([write(first)]);
        expect(await store.artifact(repo('app'), digest)).toEqual(first);
      }));

    it('links indexes and children both ways, within one repository', () =>
      withStore(async (store) => {
        const [p, q, a, b] = ['p', 'q', 'a', 'b'].map(digestFor) as [
          Digest,
          Digest,
          Digest,
          Digest,
        ];
        const edges = (parent: Digest, children: Digest[]): Write => ({
          kind: 'edges',
          repository: repo('app'),
          parent,
          children,
        });
        await store.commit([edges(p, [a, b]), edges(q, [a]), edges(p, [a])]);
        expect(await store.children(repo('app'), p)).toEqual([a, b].toSorted());
        expect(await store.parents(repo('app'), a)).toEqual([p, q].toSorted());
        expect(await store.parents(repo('other'), a)).toEqual([]);
        await expect(
          store.commit([
            edges(
              p,
              Array.from({ length: 1001 }, () => a),
            ),
          ]),
        ).rejects.toEqual(refusal('REQUEST_INVALID'));
      }));

    it('gives the parents of a child in an order that nobody who pushes later changes', () =>
      withStore(async (store) => {
        const child = digestFor('child');
        const edges = (name: string): Write => ({
          kind: 'edges',
          repository: repo('app'),
          parent: digestFor(name),
          children: [child],
        });
        const admitted = (name: string, repository = repo('app')): Write => ({
          kind: 'admitted',
          repository,
          parent: digestFor(name),
        });
        const parents = () => store.parents(repo('app'), child);
        await store.commit([edges('true')]);
        // More than are ever given: with the true parent among them it could be cut off.
        for (let round = 0; round < 3; round++) {
          const junk = Array.from({ length: 500 }, (_, n) => edges(`junk ${round} ${n}`));
          await store.commit(junk);
        }
        await store.commit([edges('true')]);
        expect((await parents())[0]).toBe(digestFor('true'));
        await store.commit([edges('late')]);
        expect(await parents()).not.toContain(digestFor('late'));
        await store.commit([admitted('late', repo('other')), admitted('unknown')]);
        expect(await parents()).not.toContain(digestFor('late'));
        await store.commit([admitted('late')]);
        expect((await parents()).slice(0, 2)).toEqual([digestFor('late'), digestFor('true')]);
        await store.commit([admitted('true')]);
        expect((await parents()).slice(0, 2)).toEqual([digestFor('true'), digestFor('late')]);
        expect(await store.parents(repo('other'), child)).toEqual([]);
      }));

    it('remembers the newest push of a manifest', () =>
      withStore(async (store) => {
        const push = (at: number): Write => ({
          kind: 'pushed',
          repository: repo('app'),
          digest: digestFor('a'),
          by: 'ci',
          at,
        });
        await store.commit([push(5), push(9), push(7)]);
        expect(await store.pushedAt(repo('app'), digestFor('a'))).toBe(9);
        expect(await store.pushedAt(repo('other'), digestFor('a'))).toBeNull();
      }));
  });

  describe('revocations', () => {
    const kinds: readonly Revocation[] = [
      { kind: 'digest', repository: repo('app'), digest: digestFor('a'), reason: 'bad build' },
      { kind: 'tag', repository: repo('app'), tag: '1.0', reason: 'wrong' },
      { kind: 'key', keyId: 'key-1', reason: 'lost' },
    ];

    it.each(kinds)(
      'of a $kind are in force until undone, each change raising the revision by one',
      (revocation) =>
        withStore(
          async (store) => {
            await store.commit([{ kind: 'revoke', revocation, by: 'alice' }]);
            expect(await store.revocations()).toEqual([{ ...revocation, by: 'alice', at: 9 }]);
            expect(await store.trustRevision()).toBe(1);
            // In force already: stays as it is.
            await store.commit([
              { kind: 'revoke', revocation: { ...revocation, reason: 'x' }, by: 'bob' },
            ]);
            expect(await store.revocations()).toEqual([{ ...revocation, by: 'alice', at: 9 }]);
            expect(await store.trustRevision()).toBe(1);
            await store.commit([
              { kind: 'unrevoke', revocation: { ...revocation, reason: 'y' }, by: 'bob' },
            ]);
            expect(await store.revocations()).toEqual([]);
            expect(await store.trustRevision()).toBe(2);
            await store.commit([{ kind: 'unrevoke', revocation, by: 'bob' }]);
            expect(await store.trustRevision()).toBe(2);
            await store.commit([{ kind: 'revoke', revocation, by: 'carol' }]);
            expect(await store.revocations()).toEqual([{ ...revocation, by: 'carol', at: 9 }]);
            expect(await store.trustRevision()).toBe(3);
          },
          () => new Date(9),
        ),
    );

    it('of one name leave other kinds and repositories alone', () =>
      withStore(async (store) => {
        const tag = (repository: string, name: string): Revocation => ({
          kind: 'tag',
          repository: repo(repository),
          tag: name,
          reason: 'r',
        });
        await store.commit([
          { kind: 'revoke', revocation: tag('app', 'a'), by: 'x' },
          { kind: 'revoke', revocation: tag('app/a', 'a'), by: 'x' },
          { kind: 'revoke', revocation: { kind: 'key', keyId: 'a', reason: 'r' }, by: 'x' },
        ]);
        await store.commit([{ kind: 'unrevoke', revocation: tag('app', 'a'), by: 'x' }]);
        expect((await store.revocations()).map((one) => one.kind)).toEqual(['tag', 'key']);
      }));
  });
});
