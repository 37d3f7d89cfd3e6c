import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openDumps } from '../../src/import/dump-source.ts';
import { importAll } from '../../src/import/import-all.ts';
import type { ImportReport, RepositoryReport } from '../../src/import/report.ts';
import type { ImportTarget } from '../../src/import/target.ts';
import { EMPTY } from '../../src/import/target.ts';
import { sha256Hex } from '../../src/lib/bytes.ts';
import { unwrap } from '../../src/lib/result.ts';
import type { MasterKey } from '../../src/notary/master-key.ts';
import { newMasterKeyText, parseMasterKey } from '../../src/notary/master-key.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import type { Store } from '../../src/store/store.ts';
import { buildTimestamp } from '../../src/tuf/build-files.ts';
import { lifetime } from '../../src/tuf/lifetime.ts';
import type { Dumped, OwnHand } from './notary-dump.ts';
import { dumpedKey, makeOwnHand } from './notary-dump.ts';
import { suiteScope } from './scope.ts';
import { checkLog, openAt } from './store.ts';
import type { MadeRepository } from './tuf.ts';
import { GUN, makeHand, makeRepository, NOW } from './tuf.ts';

/** What the signer of these worlds seals its keys with. */
export const SEALING = { alias: 'timestamp_1', passphrase: 'a passphrase of the signer' };
/** The repository that they all have. */
export const REPOSITORY = unwrap(parseRepository(GUN));
/** Milliseconds. */
export const DAY = 86_400_000;

/** A repository as a notary-server and its signer hold it, with a line of the feed. */
export interface ImportWorld {
  readonly made: MadeRepository;
  readonly timestamp: OwnHand;
  readonly snapshot: OwnHand;
  readonly dumped: Required<Dumped>;
}

/** Makes one, whose server has keys of the given type. */
export async function makeImportWorld(
  type: 'ecdsa-p256' | 'ed25519' = 'ecdsa-p256',
): Promise<ImportWorld> {
  const timestamp = await makeOwnHand(type);
  const snapshot = await makeOwnHand(type);
  const hands = {
    root: await makeHand('ecdsa-p256', { gun: GUN, now: NOW }),
    targets: await makeHand('ecdsa-p256'),
    alice: await makeHand('ecdsa-p384'),
    timestamp,
    snapshot,
  };
  const made = await makeRepository({ hands });
  const files = [...made.files].map(([role, bytes]) => ({ gun: GUN, role, version: 1, bytes }));
  const keys = [
    await dumpedKey(GUN, 'timestamp', timestamp, SEALING),
    await dumpedKey(GUN, 'snapshot', snapshot, SEALING),
  ];
  const stamp = made.files.get('timestamp') ?? Buffer.of();
  const changes = [
    { id: 41, gun: GUN, version: 1, sha256: sha256Hex(stamp), category: 'update' as const },
  ];
  return { made, timestamp, snapshot, dumped: { files, keys, changes } };
}

/** The dump with a later timestamp, as the old server made it by itself. */
export async function withLater(
  { made, timestamp, dumped }: ImportWorld,
  version = 2,
): Promise<Dumped> {
  const bytes = await buildTimestamp(made.files.get('snapshot') ?? Buffer.of(), {
    version,
    expires: lifetime('timestamp', NOW),
    signers: [timestamp],
  });
  const sha256 = sha256Hex(bytes);
  return {
    ...dumped,
    files: [...dumped.files, { gun: GUN, role: 'timestamp', version, bytes }],
    changes: [...dumped.changes, { id: 50, gun: GUN, version, sha256, category: 'update' }],
  };
}

/** The one report of an import of one repository. */
export const firstOf = ({ repositories }: ImportReport): RepositoryReport =>
  repositories[0] as RepositoryReport;

/** How an import is asked for. */
export interface ImportAsked {
  readonly named?: readonly string[];
  readonly dryRun?: boolean;
  readonly passphrase?: string | null;
  readonly now?: Date;
  readonly expiredTimestamps?: boolean;
}

/** What a suite imports with; call {@link importSuite} in the body of `describe`, or at the top. */
export interface ImportSuite {
  readonly masterKey: MasterKey;
  /** Runs a scenario on a new store, and verifies its whole record afterwards. */
  readonly withStore: (scenario: (store: Store) => Promise<void>) => Promise<void>;
  /** Imports a dump's text or bytes; without a store as into an empty data folder, dry. */
  readonly importDump: (
    store: Store | null,
    content: string | Uint8Array,
    asked?: ImportAsked,
  ) => Promise<ImportReport>;
}

/** Opens one. */
export function importSuite(): ImportSuite {
  const scope = suiteScope();
  const masterKey = parseMasterKey(newMasterKeyText());
  let files = 0;
  const written = (content: string | Uint8Array): string => {
    const file = join(scope.folder(), `dump-${(files += 1)}.sql`);
    writeFileSync(file, content, typeof content === 'string' ? 'latin1' : undefined);
    return file;
  };
  return {
    masterKey,
    withStore: async (scenario) => {
      const store = await openAt(mkdtempSync(join(scope.folder(), 'store-')), () => NOW);
      try {
        await scenario(store);
        await checkLog(store);
      } finally {
        await store.close();
      }
    },
    importDump: async (store, content, asked = {}) => {
      const { named = [], dryRun = false, passphrase = SEALING.passphrase, now = NOW } = asked;
      const { expiredTimestamps = false } = asked;
      const source = await openDumps([written(content)], named, () => undefined);
      const target: ImportTarget = {
        registries: [{ host: 'registry.example.com', aliases: ['alias.example.com'] }],
        passphrases: (alias) => (alias === SEALING.alias ? passphrase : null),
        reads: store ?? EMPTY,
        writes: dryRun || store === null ? null : { store, masterKey, actor: 'local:admin' },
        now,
        expiredTimestamps,
      };
      try {
        return await importAll(source, target, named, () => undefined);
      } finally {
        await source.close();
      }
    },
  };
}
