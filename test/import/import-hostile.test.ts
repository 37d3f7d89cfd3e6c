import { beforeAll, describe, expect, it } from 'vitest';
import { buildRoot, buildSnapshot, buildTimestamp } from '../../src/tuf/build-files.ts';
import type { FileMeta } from '../../src/tuf/file-meta.ts';
import { fileMetaOf } from '../../src/tuf/file-meta.ts';
import { lifetime } from '../../src/tuf/lifetime.ts';
import type { ImportWorld } from '../support/import-world.ts';
import {
  firstOf,
  importSuite,
  makeImportWorld,
  REPOSITORY,
  SEALING,
  withLater,
} from '../support/import-world.ts';
import type { DumpedFile, OwnHand } from '../support/notary-dump.ts';
import { dumpedKey, makeOwnHand, postgresDump } from '../support/notary-dump.ts';
import { GUN, NOW, roleOf } from '../support/tuf.ts';

let world: ImportWorld;
const { withStore, importDump } = importSuite();

beforeAll(async () => {
  world = await makeImportWorld();
});

const fileOf = (role: string, version: number, bytes: Uint8Array): DumpedFile => ({
  gun: GUN,
  role,
  version,
  bytes,
});

/** A later snapshot and timestamp by some hands; the files listed are the world's, but for those given. */
async function stateOf(
  version: number,
  hands: { readonly timestamp: OwnHand; readonly snapshot: OwnHand },
  changed: ReadonlyMap<string, Buffer> = new Map(),
): Promise<readonly DumpedFile[]> {
  const listed = new Map<string, FileMeta>();
  for (const [role, bytes] of world.made.files) {
    if (role === 'snapshot' || role === 'timestamp') continue;
    listed.set(role, fileMetaOf(changed.get(role) ?? bytes));
  }
  const by = (role: string, hand: OwnHand) => ({
    version,
    expires: lifetime(role, NOW),
    signers: [hand],
  });
  const snapshot = await buildSnapshot(listed, by('snapshot', hands.snapshot));
  const timestamp = await buildTimestamp(snapshot, by('timestamp', hands.timestamp));
  return [fileOf('snapshot', version, snapshot), fileOf('timestamp', version, timestamp)];
}

describe('a dump that somebody else has made up', () => {
  it('T-23: takes no repository back under a root whose keys were taken away', async () => {
    const { hands } = world.made;
    const fresh = {
      timestamp: await makeOwnHand('ecdsa-p256'),
      snapshot: await makeOwnHand('ecdsa-p256'),
    };
    const roles = {
      root: roleOf('root', [hands.root]),
      targets: roleOf('targets', [hands.targets]),
      snapshot: roleOf('snapshot', [fresh.snapshot]),
      timestamp: roleOf('timestamp', [fresh.timestamp]),
    };
    const by = { version: 2, expires: lifetime('root', NOW), signers: [hands.root] };
    const root = await buildRoot(roles, by);
    const rotated = await stateOf(2, fresh, new Map([['root', root]]));
    const files = [...world.dumped.files, fileOf('root', 2, root), ...rotated];
    const keys = [
      await dumpedKey(GUN, 'timestamp', fresh.timestamp, SEALING),
      await dumpedKey(GUN, 'snapshot', fresh.snapshot, SEALING),
    ];
    await withStore(async (store) => {
      await importDump(store, postgresDump(world.dumped));
      const legitimate = await importDump(store, postgresDump({ files, keys }));
      expect(firstOf(legitimate)).toMatchObject({ outcome: 'updated' });
      const pin = await store.trustPin(REPOSITORY);
      // The old keys were stolen, and all that was published is public.
      const stolen = await stateOf(3, world);
      const evil = [
        ...world.dumped.files,
        ...rotated.filter((file) => file.role === 'timestamp'),
        ...stolen,
      ];
      const report = firstOf(await importDump(store, postgresDump({ files: evil })));
      expect(report).toMatchObject({ outcome: 'refused', files: 0 });
      expect(await store.trustPin(REPOSITORY)).toEqual(pin);
      expect((await store.trustFiles(REPOSITORY)).get('timestamp')?.version).toBe(2);
    });
  });

  it('moves no pin: what was begun anew under another root waits for a reset', async () => {
    const other = await makeImportWorld();
    await withStore(async (store) => {
      await importDump(store, postgresDump(world.dumped));
      const pin = await store.trustPin(REPOSITORY);
      await store.commit([{ kind: 'trust-delete', repository: REPOSITORY }]);
      const files = [...other.made.files].map(([role, bytes]) => ({ role, version: 1, bytes }));
      await store.commit([{ kind: 'trust-files', repository: REPOSITORY, files }]);
      const report = firstOf(await importDump(store, postgresDump(await withLater(other))));
      expect(report).toMatchObject({ outcome: 'refused', files: 0 });
      expect(report.reason).toContain('held to another root');
      expect(await store.trustPin(REPOSITORY)).toEqual(pin);
    });
  });

  it('brings no key for a repository that is here and does not list it', async () => {
    const evil = await makeOwnHand('ecdsa-p256');
    const keys = [await dumpedKey(GUN, 'timestamp', evil, SEALING)];
    await withStore(async (store) => {
      await importDump(store, postgresDump(world.dumped));
      const before = await store.serverKeys(REPOSITORY);
      const report = firstOf(await importDump(store, postgresDump({ ...world.dumped, keys })));
      expect(report).toMatchObject({ outcome: 'unchanged' });
      expect(report.notes).toEqual([expect.stringContaining(evil.keyid.slice(0, 12))]);
      expect(await store.serverKeys(REPOSITORY)).toEqual(before);
    });
  });

  it('does not say in the feed that a repository was deleted which is here', async () => {
    const deletion = { id: 99, gun: GUN, version: 0, sha256: '', category: 'deletion' as const };
    const other = world.dumped.files.map((file) => ({ ...file, gun: 'other.example.com/x' }));
    await withStore(async (store) => {
      await importDump(store, postgresDump(world.dumped));
      const report = await importDump(store, postgresDump({ files: other, changes: [deletion] }), {
        named: [GUN],
      });
      expect(firstOf(report)).toMatchObject({ outcome: 'skipped', changes: 0 });
      expect(firstOf(report).reason).toContain('deleted there');
      const feed = await store.trustChanges({ repository: REPOSITORY, limit: 10 });
      expect(feed.map(({ category }) => category)).toEqual(['update']);
    });
  });

  it.each([2 ** 31 - 1, 2 ** 31, 2 ** 53 - 1])(
    'cannot use up the ids of the feed with %d',
    async (id) => {
      const change = { id, gun: GUN, version: 1, sha256: '', category: 'update' as const };
      await withStore(async (store) => {
        const dump = postgresDump({ ...world.dumped, changes: [change] });
        const report = firstOf(await importDump(store, dump));
        expect(report).toMatchObject({ outcome: 'imported', files: 6, changes: 0 });
        expect(report.notes).toEqual([expect.stringContaining('has to begin anew')]);
        const feed = await store.trustChanges({ repository: REPOSITORY, limit: 10 });
        expect(feed).toMatchObject([{ id: 1, version: 1 }]);
      });
    },
  );
});
