import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { sha256Hex } from '../../src/lib/bytes.ts';
import { unwrap } from '../../src/lib/result.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import type { Store } from '../../src/store/store.ts';
import { tufKeyOf } from '../../src/tuf/public-key.ts';
import type { ImportWorld } from '../support/import-world.ts';
import {
  DAY,
  firstOf,
  importSuite,
  makeImportWorld,
  REPOSITORY,
  withLater,
} from '../support/import-world.ts';
import type { Dumped } from '../support/notary-dump.ts';
import { mysqlDump, postgresDump } from '../support/notary-dump.ts';
import { GUN, NOW } from '../support/tuf.ts';

let world: ImportWorld;
const { masterKey, withStore, importDump } = importSuite();

beforeAll(async () => {
  world = await makeImportWorld();
});

describe('importing a repository from a dump', () => {
  it.each([
    ['of pg_dump', postgresDump],
    ['of mysqldump', mysqlDump],
    ['of pg_dump, packed', (dumped: Dumped) => gzipSync(postgresDump(dumped))],
  ])('%s keeps every byte, version, key and id', async (_what, dump) => {
    await withStore(async (store) => {
      const report = firstOf(await importDump(store, dump(world.dumped)));
      expect(report).toMatchObject({
        outcome: 'imported',
        files: 6,
        changes: 1,
        tags: 2,
        signers: ['alice'],
        keys: { timestamp: 'here', snapshot: 'here' },
        readOnlyFrom: null,
        certificateEnds: '2036-11-19',
        notes: [],
      });
      const stored = await store.trustFiles(REPOSITORY);
      for (const [role, bytes] of world.made.files) {
        expect(Buffer.from(stored.get(role)?.bytes ?? [])).toEqual(bytes);
        expect(stored.get(role)).toMatchObject({ version: 1, sha256: sha256Hex(bytes) });
      }
      const pin = await store.trustPin(REPOSITORY);
      expect(Buffer.from(pin?.root ?? [])).toEqual(world.made.files.get('root'));
      expect(pin?.seen.get('targets/releases')).toBe(1);
      const feed = await store.trustChanges({ repository: null, limit: 10 });
      expect(feed).toMatchObject([
        { id: 41, repository: GUN, category: 'update', time: Date.UTC(2026, 10, 20, 10) },
      ]);
      const events = await store.events({ limit: 10 });
      expect(events).toMatchObject([
        { type: 'trust-imported', repository: GUN, actor: 'local:admin', data: { files: 6 } },
      ]);
    });
  });

  it.each(['ecdsa-p256', 'ed25519'] as const)(
    'seals its %s keys anew, which are the same keys',
    async (type) => {
      const { dumped, timestamp, snapshot } = await makeImportWorld(type);
      await withStore(async (store) => {
        await importDump(store, postgresDump(dumped));
        const keys = await store.serverKeys(REPOSITORY);
        const ids = keys.map(({ role, id }) => `${role} ${id}`).toSorted();
        expect(ids).toEqual([`snapshot ${snapshot.keyid}`, `timestamp ${timestamp.keyid}`]);
        for (const { id, sealed, usedAt } of keys) {
          const opened = await masterKey.open(sealed);
          expect(tufKeyOf(opened.publicKey).id).toBe(id);
          expect(usedAt).toBe(Date.UTC(2026, 10, 20, 10));
        }
      });
    },
  );

  it('remembers who signed which digest, as a publish here does', async () => {
    await withStore(async (store) => {
      await importDump(store, postgresDump(world.dumped));
      const signed = `sha256:${sha256Hex(Buffer.from('new'))}` as Parameters<
        Store['trustEntries']
      >[1];
      const entries = await store.trustEntries(REPOSITORY, signed);
      expect(entries.map(({ role, tag }) => `${role} ${tag}`).toSorted()).toEqual([
        'targets/alice new',
        'targets/releases new',
      ]);
      const key = world.made.hands.alice.signer.publicKey.id;
      expect(new Set(entries.map(({ keyId }) => keyId))).toEqual(new Set([key]));
    });
  });

  it('changes nothing the second time, and needs no passphrase for it', async () => {
    await withStore(async (store) => {
      await importDump(store, postgresDump(world.dumped));
      const again = await importDump(store, mysqlDump(world.dumped), { passphrase: null });
      expect(firstOf(again)).toMatchObject({ outcome: 'unchanged', files: 0, changes: 0 });
      expect(await store.counts()).toEqual({ sig: 1, dec: 0 });
    });
  });

  it('brings what was new there the next time', async () => {
    await withStore(async (store) => {
      await importDump(store, postgresDump(world.dumped));
      const report = firstOf(await importDump(store, postgresDump(await withLater(world))));
      expect(report).toMatchObject({ outcome: 'updated', files: 1, changes: 1 });
      expect((await store.trustFiles(REPOSITORY)).get('timestamp')?.version).toBe(2);
      const feed = await store.trustChanges({ repository: null, limit: 10 });
      expect(feed.map(({ id, version }) => [id, version])).toEqual([
        [41, 1],
        [50, 2],
      ]);
    });
  });

  it('brings keys that were missing the first time', async () => {
    await withStore(async (store) => {
      const first = await importDump(store, postgresDump({ ...world.dumped, keys: [] }));
      expect(firstOf(first)).toMatchObject({
        outcome: 'imported',
        readOnlyFrom: '2026-12-06',
        keys: { timestamp: 'missing' },
      });
      expect(first.rotate).toEqual([GUN]);
      const second = await importDump(store, postgresDump(world.dumped));
      expect(firstOf(second)).toMatchObject({ outcome: 'updated', readOnlyFrom: null, files: 0 });
      expect(second.rotate).toEqual([]);
    });
  });

  it('takes a snapshot key that the signer never had for the owner’s', async () => {
    const keys = world.dumped.keys.filter(({ role }) => role === 'timestamp');
    await withStore(async (store) => {
      const report = await importDump(store, postgresDump({ ...world.dumped, keys }));
      expect(firstOf(report)).toMatchObject({ keys: { timestamp: 'here', snapshot: 'owner' } });
      expect(report.rotate).toEqual([]);
    });
  });

  it('takes keys without GUN and role from before signers noted them', async () => {
    const keys = world.dumped.keys.map((key) => ({ ...key, gun: '', role: '' }));
    await withStore(async (store) => {
      const report = firstOf(await importDump(store, mysqlDump({ ...world.dumped, keys })));
      expect(report.keys).toEqual({ timestamp: 'here', snapshot: 'here' });
    });
  });

  it('computes hashes that old databases lack, and passes over rows that were deleted', async () => {
    const deleted = { gun: GUN, role: 'targets', version: 9, bytes: Buffer.from('{}') };
    const old = {
      ...world.dumped,
      files: world.dumped.files.map((file) => ({ ...file, sha256: null })),
    };
    const dumped = { ...old, files: [...old.files, { ...deleted, deleted: true }] };
    await withStore(async (store) => {
      expect(firstOf(await importDump(store, mysqlDump(dumped)))).toMatchObject({
        outcome: 'imported',
        files: 6,
      });
    });
  });

  it('takes a timestamp that nobody asked for any more, and says what its owner has to sign anew', async () => {
    const now = new Date(NOW.getTime() + 4 * 365 * DAY);
    await withStore(async (store) => {
      const report = firstOf(await importDump(store, postgresDump(world.dumped), { now }));
      expect(report.outcome).toBe('imported');
      expect(report.notes).toEqual([
        'targets expired on 2029-11-21',
        'targets/alice expired on 2029-11-21',
        'targets/releases expired on 2029-11-21',
      ]);
    });
  });

  it('says a year ahead that a root certificate ends', async () => {
    const now = new Date(NOW.getTime() + 9.5 * 365 * DAY);
    await withStore(async (store) => {
      const report = firstOf(await importDump(store, postgresDump(world.dumped), { now }));
      expect(report.notes.at(-1)).toContain('the root certificate ends on 2036-11-19');
    });
  });

  it('writes nothing when it is only asked what would happen', async () => {
    await withStore(async (store) => {
      const report = await importDump(store, postgresDump(world.dumped), { dryRun: true });
      expect(report.dryRun).toBe(true);
      expect(firstOf(report)).toMatchObject({ outcome: 'imported', files: 6 });
      expect(await store.trustRepositories(null)).toEqual([]);
      expect(await store.serverKeys(null)).toEqual([]);
      expect(await store.counts()).toEqual({ sig: 0, dec: 0 });
    });
    expect(firstOf(await importDump(null, postgresDump(world.dumped)))).toMatchObject({ files: 6 });
  });

  it('keeps the place in the feed of a repository that was deleted there', async () => {
    const changes = [
      { id: 7, gun: GUN, version: 0, sha256: ' '.repeat(64), category: 'deletion' as const },
    ];
    await withStore(async (store) => {
      // The feed alone is no server's database.
      const alone = importDump(store, postgresDump({ changes }));
      await expect(alone).rejects.toMatchObject({ code: 'IMPORT_UNREADABLE' });
      const other = world.dumped.files.map((file) => ({ ...file, gun: 'other.example.com/x' }));
      const report = await importDump(store, postgresDump({ files: other, changes }));
      expect(report.repositories.map(({ gun, outcome }) => [gun, outcome])).toEqual([
        ['other.example.com/x', 'skipped'],
        [GUN, 'imported'],
      ]);
      const feed = await store.trustChanges({ repository: REPOSITORY, limit: 10 });
      expect(feed).toMatchObject([{ id: 7, category: 'deletion', sha256: '' }]);
    });
  });

  it('takes a long feed in several commits, and one that was cut off between them goes on', async () => {
    await withStore(async (store) => {
      const [newest] = world.dumped.changes;
      const changes = Array.from({ length: 10_500 }, (_, at) => ({
        id: at + 100,
        gun: GUN,
        version: at + 2,
        sha256: sha256Hex(Buffer.from(`timestamp ${at}`)),
        category: 'update' as const,
      }));
      const dump = postgresDump({
        ...world.dumped,
        changes: [...(newest ? [newest] : []), ...changes],
      });
      const [first] = await store.trustChanges({ repository: null, limit: 1 });
      expect(first).toBeUndefined();
      // As kill -9 leaves it after the first commit.
      const some = changes.slice(0, 3000).map(({ gun: _gun, ...change }) => ({
        ...change,
        repository: REPOSITORY,
        time: Date.UTC(2026, 10, 20, 10),
      }));
      await store.commit([{ kind: 'trust-changes', changes: some }]);
      const report = firstOf(await importDump(store, dump));
      expect(report).toMatchObject({ outcome: 'imported', changes: 7501, notes: [] });
      const again = firstOf(await importDump(store, dump));
      expect(again).toMatchObject({ outcome: 'unchanged', changes: 0 });
      const last = await store.trustChanges({ repository: null, limit: 1, before: null });
      expect(last).toMatchObject([{ id: 10_599, version: 10_501 }]);
    });
  });

  it('keeps only what is named of a dump, and what is wrong with others is nobody’s business', async () => {
    await withStore(async (store) => {
      const other = { gun: 'registry.example.com/other/app', role: 'bogus role', version: 1 };
      const files = [...world.dumped.files, { ...other, bytes: Buffer.from('{}') }];
      const dump = postgresDump({ ...world.dumped, files });
      const { repositories } = await importDump(store, dump, { named: [GUN] });
      expect(repositories).toMatchObject([{ gun: GUN, outcome: 'imported' }]);
    });
  });

  it('gives new ids where its own belong to other changes here, and says so', async () => {
    const two = 'registry.example.com/team/two';
    const taken = { kind: 'update' as const, version: 3, sha256: 'a'.repeat(64) };
    await withStore(async (store) => {
      const { version, sha256 } = taken;
      const repository = unwrap(parseRepository(two));
      const change = { id: 41, repository, version, sha256, category: 'update' as const, time: 1 };
      await store.commit([{ kind: 'trust-changes', changes: [change] }]);
      const report = firstOf(await importDump(store, postgresDump(world.dumped)));
      expect(report).toMatchObject({ outcome: 'imported', files: 6, changes: 0 });
      expect(report.notes).toEqual([expect.stringContaining('has to begin anew')]);
      const feed = await store.trustChanges({ repository: REPOSITORY, limit: 10 });
      expect(feed).toMatchObject([{ id: 42, version: 1, category: 'update' }]);
    });
  });
});
