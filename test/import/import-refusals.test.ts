import { beforeAll, describe, expect, it } from 'vitest';
import { sha256Hex } from '../../src/lib/bytes.ts';
import { buildRoot } from '../../src/tuf/build-files.ts';
import { lifetime } from '../../src/tuf/lifetime.ts';
import type { ImportWorld } from '../support/import-world.ts';
import {
  DAY,
  firstOf,
  importSuite,
  makeImportWorld,
  REPOSITORY,
  withLater,
} from '../support/import-world.ts';
import type { Dumped, DumpedFile } from '../support/notary-dump.ts';
import { postgresDump } from '../support/notary-dump.ts';
import { GUN, makeHand, NOW, resign, roleOf } from '../support/tuf.ts';

let world: ImportWorld;
const { withStore, importDump } = importSuite();

beforeAll(async () => {
  world = await makeImportWorld();
});

/** The dump with a repository's files changed. */
function changed(change: (file: DumpedFile) => DumpedFile | null): Dumped {
  return { ...world.dumped, files: world.dumped.files.flatMap((file) => change(file) ?? []) };
}

describe('a repository is skipped', () => {
  it.each([
    ['other.example.com/team/app', 'add "- host: other.example.com" to registries'],
    ['alias.example.com/team/app', 'alias.example.com is an alias of registry.example.com'],
    ['just-a-name', 'docker asks for docker.io/library/just-a-name'],
    ['Registry.example.com/team/app', 'docker asks for registry.example.com/team/app'],
    ['registry.example.com/Team', 'is no repository of images'],
    ['registry.example.com/team/app:1', 'is no repository of images'],
  ])('that is called %s', async (gun, reason) => {
    const files = world.dumped.files.map((file) => ({ ...file, gun }));
    await withStore(async (store) => {
      const report = firstOf(await importDump(store, postgresDump({ files })));
      expect(report).toMatchObject({ gun, outcome: 'skipped', files: 0 });
      expect(report.reason).toContain(reason);
      expect(await store.trustRepositories(null)).toEqual([]);
    });
  });
});

describe('a repository is refused, and nothing of it is stored,', () => {
  const flipped = (bytes: Uint8Array): Buffer =>
    Buffer.from(Buffer.from(bytes).toString().replace('"length":3', '"length":4'));
  const withRoot = async (root: Promise<Buffer> | Buffer): Promise<Dumped> => {
    const bytes = await root;
    return { files: [...world.dumped.files, { gun: GUN, role: 'root', version: 2, bytes }] };
  };
  const cases: readonly (readonly [string, () => Dumped | Promise<Dumped>, string])[] = [
    [
      'for a byte that was changed',
      () =>
        changed((file) =>
          file.role === 'targets'
            ? { ...file, bytes: flipped(file.bytes), sha256: sha256Hex(file.bytes) }
            : file,
        ),
      'targets 1 is not what its SHA-256 says',
    ],
    [
      'for a byte that was changed with its hash',
      () =>
        changed((file) =>
          file.role === 'targets' ? { ...file, bytes: flipped(file.bytes) } : file,
        ),
      'targets',
    ],
    [
      'without targets',
      () => changed((file) => (file.role === 'targets' ? null : file)),
      'targets',
    ],
    ['without a root', () => changed((file) => (file.role === 'root' ? null : file)), 'a root'],
    [
      'without a timestamp',
      () => changed((file) => (file.role === 'timestamp' ? null : file)),
      'timestamp trust data unavailable',
    ],
    [
      'for a file under another version than its own',
      () => changed((file) => (file.role === 'targets' ? { ...file, version: 5 } : file)),
      'targets 5 says of itself that it is another version',
    ],
    [
      'for one version twice',
      () => ({ files: [...world.dumped.files, ...world.dumped.files.slice(0, 1)] }),
      'expected one root 1, found two',
    ],
    [
      'for a later root that the first did not sign',
      async () => {
        const root = await makeHand('ecdsa-p256', { gun: GUN, now: NOW });
        const { hands } = world.made;
        const roles = {
          root: roleOf('root', [root]),
          targets: roleOf('targets', [hands.targets]),
          snapshot: roleOf('snapshot', [hands.snapshot]),
          timestamp: roleOf('timestamp', [hands.timestamp]),
        };
        const by = { version: 2, expires: lifetime('root', NOW), signers: [root] };
        return withRoot(buildRoot(roles, by));
      },
      'could not rotate trust to a new trusted root',
    ],
    [
      'for a newer root that no snapshot lists',
      () =>
        withRoot(
          resign(world.made.files.get('root') ?? Buffer.of(), { version: 2 }, [
            world.made.hands.root,
          ]),
        ),
      'root',
    ],
    [
      'of another name',
      () => ({
        files: world.dumped.files.map((file) => ({
          ...file,
          gun: 'registry.example.com/team/squatter',
        })),
      }),
      'unable to retrieve valid leaf certificates',
    ],
    [
      'for a row that cannot be read',
      () => changed((file) => ({ ...file, sha256: 'xyz' })),
      ':4: ',
    ],
  ];

  it.each(cases)('%s', async (_why, dumped, reason) => {
    const content = postgresDump(await dumped());
    await withStore(async (store) => {
      const report = firstOf(await importDump(store, content));
      expect(report.outcome).toBe('refused');
      expect(report.reason).toContain(reason);
      expect(await store.trustRepositories(null)).toEqual([]);
      expect(await store.serverKeys(null)).toEqual([]);
      expect(await store.counts()).toEqual({ sig: 0, dec: 0 });
    });
  });

  it('when its root certificate has ended', async () => {
    const now = new Date(NOW.getTime() + 11 * 365 * DAY);
    await withStore(async (store) => {
      const report = firstOf(await importDump(store, postgresDump(world.dumped), { now }));
      expect(report.reason).toContain('the root certificate ended on 2036-11-19');
      expect(await store.trustRepositories(null)).toEqual([]);
    });
  });

  it.each([
    ['a wrong passphrase', 'wrong', 'the passphrase of alias "timestamp_1" does not open'],
    ['no passphrase', null, 'set NOTARY_SIGNER_TIMESTAMP_1, or give --passphrase-file'],
  ])('for %s', async (_why, passphrase, reason) => {
    await withStore(async (store) => {
      const report = firstOf(await importDump(store, postgresDump(world.dumped), { passphrase }));
      expect(report.outcome).toBe('refused');
      expect(report.reason).toContain(reason);
      expect(await store.trustRepositories(null)).toEqual([]);
    });
  });

  it('for a key whose halves do not belong together, or which is no such JWE', async () => {
    const [timestamp, snapshot] = world.dumped.keys;
    if (timestamp === undefined || snapshot === undefined) throw new Error('expected keys');
    const swapped = { ...timestamp, sealed: snapshot.sealed };
    const damaged = { ...timestamp, sealed: timestamp.sealed.slice(0, -3) };
    const foreign = { ...timestamp, sealed: 'eyJhbGciOiJkaXIifQ..a.b.c' };
    const other = { ...timestamp, publicKey: snapshot.publicKey };
    const refusals = [
      [swapped, 'its private half belongs to another key'],
      [damaged, 'timestamp key'],
      [foreign, 'expected a JWE of PBES2-HS256+A128KW'],
      [other, 'its id is not that of its public half'],
    ] as const;
    for (const [key, reason] of refusals) {
      await withStore(async (store) => {
        const dump = postgresDump({ ...world.dumped, keys: [key, snapshot] });
        const report = firstOf(await importDump(store, dump));
        expect(report.outcome).toBe('refused');
        expect(report.reason).toContain(reason);
        expect(await store.serverKeys(null)).toEqual([]);
      });
    }
  });

  it('when other trust data stand under its name', async () => {
    const other = await makeImportWorld();
    await withStore(async (store) => {
      await importDump(store, postgresDump(other.dumped));
      const before = await store.trustFiles(REPOSITORY);
      const report = firstOf(await importDump(store, postgresDump(world.dumped)));
      expect(report.outcome).toBe('refused');
      expect(report.reason).toContain('it has other trust data here');
      expect(await store.trustFiles(REPOSITORY)).toEqual(before);
    });
  });

  it('when both servers have gone on since', async () => {
    await withStore(async (store) => {
      await importDump(store, postgresDump(world.dumped));
      const ours = (await withLater(world, 3)).files?.at(-1);
      if (ours === undefined) throw new Error('timestamp trust data unavailable');
      const { role, version, bytes } = ours;
      const file = { role, version, bytes };
      await store.commit([{ kind: 'trust-files', repository: REPOSITORY, files: [file] }]);
      // The state that was taken over is still an earlier one of ours.
      const same = firstOf(await importDump(store, postgresDump(world.dumped)));
      expect(same.outcome).toBe('unchanged');
      const report = firstOf(await importDump(store, postgresDump(await withLater(world, 4))));
      expect(report.outcome).toBe('refused');
      expect(report.reason).toContain('both servers have changed it');
    });
  });

  it('when it was deleted here since', async () => {
    await withStore(async (store) => {
      await importDump(store, postgresDump(world.dumped));
      await store.commit([{ kind: 'trust-delete', repository: REPOSITORY }]);
      const report = firstOf(await importDump(store, postgresDump(world.dumped)));
      expect(report.outcome).toBe('refused');
      expect(report.reason).toContain('it was deleted here');
    });
  });

  it('when it is named and not there', async () => {
    await withStore(async (store) => {
      const named = ['registry.example.com/none', GUN];
      const report = await importDump(store, postgresDump(world.dumped), { named });
      expect(report.repositories.map(({ outcome }) => outcome)).toEqual(['refused', 'imported']);
    });
  });

  it('and others are imported all the same', async () => {
    const bad = world.dumped.files.map((file) => ({
      ...file,
      gun: 'registry.example.com/team/bad',
      sha256: 'not a hash',
    }));
    await withStore(async (store) => {
      const report = await importDump(
        store,
        postgresDump({ ...world.dumped, files: [...bad, ...world.dumped.files] }),
      );
      expect(report.repositories.map(({ outcome }) => outcome)).toEqual(['imported', 'refused']);
      expect(await store.trustRepositories(null)).toEqual([GUN]);
    });
  });
});
