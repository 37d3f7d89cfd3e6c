import { describe, expect, it } from 'vitest';
import { sha256Hex } from '../../src/lib/bytes.ts';
import { LIMITS } from '../../src/lib/limits.ts';
import type { Repository } from '../../src/oci/reference.ts';
import type { Store, Write } from '../../src/store/store.ts';
import type {
  ImportedEntry,
  ServerKey,
  SignedEntry,
  TrustFile,
} from '../../src/store/trust-data.ts';
import { digestFor, eventWrite, openAt, refusal, repo, storeSuite } from '../support/store.ts';

const app = repo('app');
const other = repo('other');
const NOW = Date.parse('2026-01-02T03:04:05Z');

const file = (role: string, version: number, text = `${role} ${version}`): TrustFile => ({
  role,
  version,
  bytes: Buffer.from(text),
});
const files = (...list: readonly TrustFile[]): Write => ({
  kind: 'trust-files',
  repository: app,
  files: list,
});
const entry = (over: Partial<SignedEntry> = {}): SignedEntry => ({
  role: 'targets',
  tag: '1.0',
  digest: digestFor('one'),
  keyId: 'a'.repeat(64),
  ...over,
});
const key = (over: Partial<ServerKey> = {}): ServerKey => ({
  id: 'k1',
  repository: app,
  role: 'timestamp',
  algorithm: 'ecdsa',
  publicKey: 'AAAA',
  sealed: 'sealed',
  createdAt: 1,
  usedAt: null,
  ...over,
});

/** Role and version of every current file. */
const versions = async (store: Store): Promise<Readonly<Record<string, number>>> =>
  Object.fromEntries(
    [...(await store.trustFiles(app))].map(([role, { version }]) => [role, version]),
  );
const feed = async (store: Store): Promise<readonly unknown[]> =>
  (await store.trustChanges({ repository: null, limit: 1000, after: 0 })).map((change) => [
    change.id,
    change.repository,
    change.version,
    change.category,
  ]);

/** What a store keeps of Notary v1; every engine of store/open.ts keeps this contract. */
describe.each(['sqlite'])('trust data of a store, kept by %s', (engine) => {
  const { folder, withStore } = storeSuite(engine);

  describe('files', () => {
    it('come back byte for byte, current, by version and by hash, with their time', () =>
      withStore(async (store) => {
        const bytes = Buffer.from([0, 255, 10, 13, 0]);
        await store.commit([files(file('root', 1), { role: 'targets', version: 2, bytes })]);
        await store.commit([files(file('root', 2))]);
        const sha256 = sha256Hex(bytes);
        const targets = { role: 'targets', version: 2, bytes, sha256, storedAt: NOW };
        const current = await store.trustFiles(app);
        expect([...current.keys()].toSorted()).toEqual(['root', 'targets']);
        expect(current.get('targets')).toEqual(targets);
        expect(current.get('root')?.version).toBe(2);
        expect(await store.trustFile(app, 'targets', { sha256 })).toEqual(targets);
        expect(await store.trustFile(app, 'targets', { version: 2 })).toEqual(targets);
        expect((await store.trustFile(app, 'root', { version: 1 }))?.bytes).toEqual(
          Buffer.from('root 1'),
        );
      }));

    it('are not there by another role, repository, version or hash', () =>
      withStore(async (store) => {
        await store.commit([files(file('root', 1))]);
        const sha256 = sha256Hex('root 1');
        for (const [repository, role, which] of [
          [other, 'root', { sha256 }],
          [app, 'targets', { sha256 }],
          [app, 'root', { sha256: sha256.toUpperCase() }],
          [app, 'root', { version: 0 }],
          [app, 'root', { version: 2 }],
        ] as const)
          expect(await store.trustFile(repository, role, which)).toBeNull();
        expect((await store.trustFiles(other)).size).toBe(0);
      }));

    it('of the same or a lower version are a conflict, and their whole list changes nothing', () =>
      withStore(async (store) => {
        await store.commit([files(file('root', 3), file('timestamp', 1))]);
        for (const version of [3, 2, 1]) {
          const list = [eventWrite(), files(file('targets', 1), file('root', version))];
          await expect(store.commit(list)).rejects.toEqual(refusal('STORE_CONFLICT'));
        }
        const twice = store.commit([files(file('targets', 1), file('targets', 1, 'other'))]);
        await expect(twice).rejects.toEqual(refusal('STORE_CONFLICT'));
        expect(await versions(store)).toEqual({ root: 3, timestamp: 1 });
        expect(await store.counts()).toEqual({ sig: 0, dec: 0 });
        await store.commit([files(file('root', 7))]);
        expect(await versions(store)).toEqual({ root: 7, timestamp: 1 });
      }));

    it('of two lists for one state, sent together, exactly one is stored', () =>
      withStore(async (store) => {
        const lists = Array.from({ length: 8 }, (_, n) => [
          files(file('targets', 1, `targets of ${n}`), file('timestamp', 1, `timestamp of ${n}`)),
        ]);
        const ends = await Promise.allSettled(lists.map((list) => store.commit(list)));
        expect(ends.filter((end) => end.status === 'fulfilled')).toHaveLength(1);
        expect(await feed(store)).toEqual([[1, app, 1, 'update']]);
      }));

    it('of a repeated list, whose event is stored already, are left alone', () =>
      withStore(async (store) => {
        const list = [eventWrite({ key: 'publish' }), files(file('root', 1), file('timestamp', 1))];
        await store.commit(list);
        await store.commit(list);
        expect(await feed(store)).toHaveLength(1);
        const forged = [eventWrite({ key: 'publish' }), files(file('root', 1, 'another'))];
        await expect(store.commit(forged)).rejects.toEqual(refusal('STORE_CONFLICT'));
      }));

    it('may be several versions of one role, in rising order', () =>
      withStore(async (store) => {
        const list = [1, 2, 5].map((version) => file('root', version));
        await store.commit([{ kind: 'trust-files', repository: app, files: list, imported: true }]);
        expect(await versions(store)).toEqual({ root: 5 });
        expect((await store.trustFile(app, 'root', { version: 2 }))?.version).toBe(2);
        await expect(
          store.commit([files(file('snapshot', 2), file('snapshot', 1))]),
        ).rejects.toEqual(refusal('STORE_CONFLICT'));
      }));

    it.each([
      [
        'a file of too many bytes',
        [{ ...file('root', 1), bytes: Buffer.alloc(LIMITS.trustMetadataBytes + 1) }],
        'TOO_LARGE',
      ],
      [
        'too many roles',
        Array.from({ length: LIMITS.trustRoles + 1 }, (_, n) => file(`targets/${n}`, 1)),
        'TOO_LARGE',
      ],
      ['a version of 0', [file('root', 0)], 'REQUEST_INVALID'],
      ['a version that is no integer', [file('root', 1.5)], 'REQUEST_INVALID'],
      ['a version beyond Notary’s', [file('root', 2 ** 31)], 'REQUEST_INVALID'],
    ] as const)('are refused as %s, and nothing is stored', (_name, list, code) =>
      withStore(async (store) => {
        await expect(store.commit([files(...list)])).rejects.toEqual(refusal(code));
        expect((await store.trustFiles(app)).size).toBe(0);
      }),
    );

    it('of one repository take no more than the bound together', () =>
      withStore(async (store) => {
        const large = Buffer.alloc(LIMITS.trustMetadataBytes);
        const count = LIMITS.trustRepositoryBytes / large.length;
        for (let n = 0; n < count; n++)
          await store.commit([files({ role: `targets/${n}`, version: 1, bytes: large })]);
        const more = store.commit([files(file('root', 1))]);
        await expect(more).rejects.toEqual(refusal('TOO_LARGE'));
        expect((await store.trustFiles(app)).size).toBe(count);
      }));
  });

  describe('the feed', () => {
    it('gets one line for each timestamp, and one for a deletion that deleted something', () =>
      withStore(async (store) => {
        await store.commit([files(file('root', 1), file('timestamp', 1))]);
        await store.commit([files(file('targets', 1))]);
        await store.commit([files(file('timestamp', 2))]);
        await store.commit([{ kind: 'trust-delete', repository: app }]);
        await store.commit([{ kind: 'trust-delete', repository: app }]);
        await store.commit([files(file('timestamp', 1))]);
        expect(await feed(store)).toEqual([
          [1, app, 1, 'update'],
          [2, app, 2, 'update'],
          [3, app, 0, 'deletion'],
          [4, app, 1, 'update'],
        ]);
        const [first, , third] = await store.trustChanges({ repository: app, limit: 3, after: 0 });
        expect(first).toMatchObject({ sha256: sha256Hex('timestamp 1'), time: NOW });
        expect(third).toMatchObject({ sha256: '', version: 0 });
      }));

    it('is read forwards and backwards, of all repositories or one', () =>
      withStore(async (store) => {
        for (const version of [1, 2, 3])
          for (const repository of [app, other])
            await store.commit([
              { kind: 'trust-files', repository, files: [file('timestamp', version)] },
            ]);
        const ids = async (
          query: Parameters<Store['trustChanges']>[0],
        ): Promise<readonly number[]> => (await store.trustChanges(query)).map(({ id }) => id);
        expect(await ids({ repository: null, limit: 2, after: 0 })).toEqual([1, 2]);
        expect(await ids({ repository: null, limit: 9, after: 4 })).toEqual([5, 6]);
        expect(await ids({ repository: app, limit: 9, after: 1 })).toEqual([3, 5]);
        expect(await ids({ repository: null, limit: 2, before: null })).toEqual([5, 6]);
        expect(await ids({ repository: null, limit: 2, before: 4 })).toEqual([2, 3]);
        expect(await ids({ repository: other, limit: 1, before: null })).toEqual([6]);
        expect(await ids({ repository: null, limit: 9 })).toEqual([1, 2, 3, 4, 5, 6]);
        await expect(store.trustChanges({ repository: null, limit: 1001 })).rejects.toEqual(
          refusal('REQUEST_INVALID'),
        );
      }));

    it('takes another server’s lines with their ids, once, and goes on after them', () =>
      withStore(async (store) => {
        const change = {
          repository: app,
          version: 1,
          sha256: '',
          category: 'deletion',
          time: 5,
        } as const;
        const changes = [3, 900].map((id) => ({ ...change, id }));
        await store.commit([{ kind: 'trust-changes', changes }]);
        await store.commit([{ kind: 'trust-changes', changes }]);
        const wrong = changes.map((one) => ({ ...one, version: 2 }));
        for (const [list, code] of [
          [wrong, 'STORE_CONFLICT'],
          [[{ ...change, id: 0 }], 'REQUEST_INVALID'],
          [[{ ...change, id: 2 ** 31 }], 'REQUEST_INVALID'],
        ] as const)
          await expect(store.commit([{ kind: 'trust-changes', changes: list }])).rejects.toEqual(
            refusal(code),
          );
        await store.commit([files(file('timestamp', 1))]);
        expect((await feed(store)).map((line) => (line as readonly unknown[])[0])).toEqual([
          3, 900, 901,
        ]);
        const first = await store.trustChanges({ repository: app, limit: 1, after: 0 });
        expect(first).toEqual([changes[0]]);
      }));

    it('gets no line for imported timestamps', () =>
      withStore(async (store) => {
        await store.commit([
          { kind: 'trust-files', repository: app, files: [file('timestamp', 9)], imported: true },
        ]);
        expect(await feed(store)).toEqual([]);
      }));
  });

  describe('entries', () => {
    it('keep the time of the first publish, and are found by digest', () => {
      let now = NOW;
      return withStore(
        async (store) => {
          const put = (...entries: readonly SignedEntry[]): Promise<unknown> =>
            store.commit([{ kind: 'trust-entries', repository: app, entries }]);
          await put(entry());
          now += 1000;
          await put(
            entry(),
            entry({ role: 'targets/releases' }),
            entry({ digest: digestFor('two') }),
          );
          expect(await store.trustEntries(app, digestFor('one'))).toEqual([
            { ...entry({ role: 'targets/releases' }), publishedAt: NOW + 1000 },
            { ...entry(), publishedAt: NOW },
          ]);
          const only = { roles: ['targets'], tag: '1.0' };
          expect(await store.trustEntries(app, digestFor('one'), only)).toHaveLength(1);
          expect(await store.trustEntries(app, digestFor('one'), { ...only, tag: '2' })).toEqual(
            [],
          );
          expect(await store.trustEntries(other, digestFor('one'))).toEqual([]);
        },
        () => new Date(now),
      );
    });

    it('of another server have its time, or none; what is there already keeps its own', () =>
      withStore(async (store) => {
        const put = (...entries: readonly (SignedEntry | ImportedEntry)[]): Promise<unknown> =>
          store.commit([{ kind: 'trust-entries', repository: app, entries }]);
        await put(entry());
        const there = (over: Partial<SignedEntry>, publishedAt: number | null): ImportedEntry => ({
          ...entry(over),
          publishedAt,
        });
        await put(there({}, 1), there({ tag: '2.0' }, 1), there({ tag: '3.0' }, null));
        const found = await store.trustEntries(app, digestFor('one'));
        expect(found.map(({ tag, publishedAt }) => [tag, publishedAt])).toEqual([
          ['1.0', NOW],
          ['2.0', 1],
          ['3.0', null],
        ]);
      }));

    it('of one key hide nobody else’s, however many they are (T-60)', () =>
      withStore(async (store) => {
        const put = (...entries: readonly SignedEntry[]): Promise<unknown> =>
          store.commit([{ kind: 'trust-entries', repository: app, entries }]);
        await put(entry({ tag: 'v1' }));
        const many = Array.from({ length: 1500 }, (_, n) => `t${n}`);
        for (const [n, role] of ['targets/bob', 'targets', 'targets/bob/a'].entries()) {
          const keyId = String(n).repeat(64);
          await put(...many.map((name) => entry({ role, keyId, tag: name })));
        }
        const found = await store.trustEntries(app, digestFor('one'));
        expect(found).toContainEqual(expect.objectContaining(entry({ tag: 'v1' })));
        const own = { roles: ['targets', 'targets/bob'] };
        const asked = await store.trustEntries(app, digestFor('one'), own);
        expect(new Set(asked.map(({ role }) => role))).toEqual(new Set(own.roles));
        expect(asked).toContainEqual(expect.objectContaining(entry({ tag: 'v1' })));
      }));

    it('of one digest by one key are the newest 1024, in however many publishes they came (T-60)', () =>
      withStore(async (store) => {
        const put = (...entries: readonly (SignedEntry | ImportedEntry)[]): Promise<unknown> =>
          store.commit([{ kind: 'trust-entries', repository: app, entries }]);
        const told = async (name: string): Promise<readonly unknown[]> => {
          const of = { roles: ['targets/alice'], tag: name };
          return store.trustEntries(app, digestFor('one'), of);
        };
        const role = 'targets/alice';
        const before = { ...entry({ role, tag: 'before' }), publishedAt: 1 };
        const others = { ...entry({ role, tag: 'before', keyId: 'f'.repeat(64) }), publishedAt: 1 };
        await put(before, others, entry({ role, tag: 'kept', digest: digestFor('two') }));
        for (const from of [0, 512]) {
          await put(...Array.from({ length: 512 }, (_, n) => entry({ role, tag: `t${from + n}` })));
        }
        // One more than is kept of this key: the oldest went, by this key, of this digest alone.
        expect(await told('before')).toMatchObject([{ keyId: others.keyId }]);
        for (const name of ['t0', 't511', 't1023']) expect(await told(name)).toHaveLength(1);
        expect(await store.trustEntries(app, digestFor('two'))).toHaveLength(1);
      }));
  });

  describe('the pin', () => {
    const pin = (root: string, seen: Readonly<Record<string, number>>): Write => ({
      kind: 'trust-pin',
      repository: app,
      pin: { root: Buffer.from(root), seen: new Map(Object.entries(seen)) },
    });

    it('is replaced, and its versions never go down; it outlives deletion', () =>
      withStore(async (store) => {
        expect(await store.trustPin(app)).toBeNull();
        await store.commit([files(file('root', 1)), pin('one', { root: 1, targets: 5 })]);
        await store.commit([pin('two', { root: 2, targets: 3, 'targets/a': 1 })]);
        await store.commit([{ kind: 'trust-delete', repository: app }]);
        expect(await store.trustPin(app)).toEqual({
          root: Buffer.from('two'),
          seen: new Map([
            ['root', 2],
            ['targets', 5],
            ['targets/a', 1],
          ]),
        });
        expect(await store.trustRepositories(null)).toEqual([app]);
      }));

    it('goes with versions and entries at a reset, which raises the trust revision and leaves the files', () =>
      withStore(async (store) => {
        await store.commit([
          files(file('root', 1)),
          pin('one', { root: 1 }),
          { kind: 'trust-entries', repository: app, entries: [entry()] },
        ]);
        const before = await store.trustRevision();
        await store.commit([{ kind: 'trust-reset', repository: app }]);
        expect(await store.trustPin(app)).toBeNull();
        expect(await store.trustEntries(app, digestFor('one'))).toEqual([]);
        expect(await versions(store)).toEqual({ root: 1 });
        expect(await store.trustRevision()).toBe(before + 1);
        await store.commit([pin('two', { root: 1 })]);
        expect((await store.trustPin(app))?.seen).toEqual(new Map([['root', 1]]));
      }));

    it('without a version is one with none seen', () =>
      withStore(async (store) => {
        await store.commit([pin('one', {})]);
        expect(await store.trustPin(app)).toEqual({ root: Buffer.from('one'), seen: new Map() });
      }));
  });

  describe('repositories', () => {
    it('are those with files or a pin, in order, page by page', () =>
      withStore(async (store) => {
        const names = Array.from({ length: 1100 }, (_, n) =>
          repo(`r${String(n).padStart(4, '0')}`),
        );
        await store.commit(
          names.map((repository) => ({
            kind: 'trust-files',
            repository,
            files: [file('root', 1)],
          })),
        );
        await store.commit([
          { kind: 'trust-pin', repository: other, pin: { root: Buffer.of(1), seen: new Map() } },
        ]);
        const first = await store.trustRepositories(null);
        expect(first).toHaveLength(1000);
        const rest = await store.trustRepositories(first.at(-1) ?? null);
        expect([...first, ...rest]).toEqual([other, ...names].toSorted());
      }));
  });

  describe('server keys', () => {
    it('are added once, listed oldest first, and noted when they sign first', () => {
      let now = NOW;
      return withStore(
        async (store) => {
          const late = key({ id: 'a', createdAt: 2 });
          await store.commit([
            { kind: 'server-key', key: late },
            { kind: 'server-key', key: key() },
          ]);
          await store.commit([{ kind: 'server-key', key: key({ sealed: 'again' }) }]);
          await store.commit([{ kind: 'server-key-used', ids: ['k1', 'nobody'] }]);
          now += 1000;
          await store.commit([{ kind: 'server-key-used', ids: ['k1'] }]);
          expect(await store.serverKeys(app)).toEqual([{ ...key(), usedAt: NOW }, late]);
          expect(await store.serverKeys(other)).toEqual([]);
          expect((await store.serverKeys(null)).map(({ id }) => id)).toEqual(['a', 'k1']);
          expect((await store.serverKeys(null, 'a')).map(({ id }) => id)).toEqual(['k1']);
        },
        () => new Date(now),
      );
    });

    it('conflict where an id is another key’s', () =>
      withStore(async (store) => {
        await store.commit([{ kind: 'server-key', key: key() }]);
        for (const change of [
          { repository: other },
          { role: 'snapshot' as const },
          { publicKey: 'B' },
        ])
          await expect(
            store.commit([eventWrite(), { kind: 'server-key', key: key(change) }]),
          ).rejects.toEqual(refusal('STORE_CONFLICT'));
        expect(await store.serverKeys(null)).toEqual([key()]);
      }));

    it('are sealed anew all or none', () =>
      withStore(async (store) => {
        await store.commit([{ kind: 'server-key', key: key() }]);
        const fresh = { id: 'k1', repository: app, sealed: 'new' };
        const strange = { ...fresh, id: 'k2' };
        await expect(
          store.commit([{ kind: 'server-key-sealed', keys: [fresh, strange] }]),
        ).rejects.toEqual(refusal('STORE_CONFLICT'));
        expect(await store.serverKeys(app)).toEqual([key()]);
        await store.commit([{ kind: 'server-key-sealed', keys: [fresh] }]);
        expect(await store.serverKeys(app)).toEqual([key({ sealed: 'new' })]);
      }));
  });

  it('is there when the store is opened again', async () => {
    const data = folder();
    const store = await openAt(data);
    await store.commit([
      files(file('root', 1), file('timestamp', 1)),
      { kind: 'server-key', key: key() },
    ]);
    await store.close();
    const again = await openAt(data);
    expect(await versions(again)).toEqual({ root: 1, timestamp: 1 });
    expect(await again.serverKeys(app)).toEqual([key()]);
    expect(await feed(again)).toHaveLength(1);
    await again.close();
  });

  describe('statements', () => {
    const statement = 'b'.repeat(64);
    const first = { repository: app, role: 'targets/a' };
    const note = (repository: Repository, imported?: true, role = 'targets/a'): Write => ({
      kind: 'trust-statements',
      repository,
      statements: [{ role, sha256: statement }],
      ...(imported === undefined ? {} : { imported }),
    });

    it('belong to the repository and role that they were published for first, whatever is deleted', () =>
      withStore(async (store) => {
        expect(await store.trustStatement(statement)).toBeNull();
        await store.commit([note(app), note(app)]);
        await store.commit([
          { kind: 'trust-delete', repository: app },
          { kind: 'trust-reset', repository: app },
        ]);
        expect(await store.trustStatement(statement)).toEqual(first);
        await expect(store.commit([files(file('root', 1)), note(other)])).rejects.toEqual(
          refusal('STORE_CONFLICT'),
        );
        await expect(
          store.commit([files(file('root', 1)), note(app, undefined, 'targets/b')]),
        ).rejects.toEqual(refusal('STORE_CONFLICT'));
        expect(await versions(store)).toEqual({});
        await store.commit([note(other, true)]);
        expect(await store.trustStatement(statement)).toEqual(first);
      }));
  });
});
