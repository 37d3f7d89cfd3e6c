import { closeSync, mkdirSync, openSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { CountersignError } from '../../lib/errors.ts';
import { syncFolder } from '../high-water.ts';

/** The database's file in the data folder. */
export const databaseIn = (data: string): string => join(data, 'countersign.db');

/** WAL grows back to this after a burst, in bytes. */
const WAL_LIMIT = 64 * 1024 * 1024;

/**
 * Why an SQLite release must not be used, or `null`. 3.7.0 to 3.51.2 can corrupt a WAL database when
 * two connections write and checkpoint at once; 3.52.0 was withdrawn by its makers.
 */
export function refusedVersion(version: string): string | null {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
  const number = major * 1_000_000 + minor * 1000 + patch;
  if (number >= 3_051_003 && number !== 3_052_000) return null;
  return `expected SQLite 3.51.3 or later, but not 3.52.0, found ${version}; run a newer Node`;
}

// linux/magic.h: WAL needs shared memory and a real fsync, which network file systems do not give.
const NETWORK: Readonly<Record<number, string>> = {
  0x6969: 'NFS',
  0x517b: 'SMB',
  0xfe534d42: 'SMB',
  0xff534d42: 'CIFS',
  0x01021997: '9P',
};

/** The name of a network file system by its type number (statfs), or `null` for any other. */
export function networkFileSystem(type: number): string | null {
  return NETWORK[type >>> 0] ?? null;
}

/** Makes the data folder and the database's file, readable by the service alone. Throws STORE_UNAVAILABLE on a network file system. */
export function prepareFolder(data: string): void {
  mkdirSync(data, { recursive: true, mode: 0o700 });
  const network = networkFileSystem(statfsSync(data).type);
  if (network !== null) {
    throw new CountersignError(
      'STORE_UNAVAILABLE',
      `expected a local disk for the data folder, found ${network}; SQLite cannot keep its promises there`,
    );
  }
  // WAL and shared-memory files take their mode from this one.
  closeSync(openSync(databaseIn(data), 'a', 0o600));
  syncFolder(data);
}

function expectPragma(db: DatabaseSync, name: string, expected: unknown): void {
  const found = Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0];
  if (found !== expected) {
    throw new CountersignError(
      'STORE_UNAVAILABLE',
      `expected SQLite's ${name} to be ${String(expected)}, found ${String(found)}; use a local disk`,
    );
  }
}

/** Opens a connection, the one writer or a reader, with what durability needs set and asserted. */
export function openConnection(
  data: string,
  role: 'writer' | 'reader',
  options: { readonly maxPages?: number } = {},
): DatabaseSync {
  const writer = role === 'writer';
  // A reader runs on the main thread: it may not wait long for a lock that WAL never makes it take.
  const db = new DatabaseSync(databaseIn(data), {
    readOnly: !writer,
    timeout: writer ? 5000 : 250,
  });
  try {
    const version = db.prepare('SELECT sqlite_version() AS v').get()?.['v'];
    const refused = refusedVersion(String(version));
    if (refused !== null) throw new CountersignError('STORE_UNAVAILABLE', refused);
    if (writer) db.exec('PRAGMA journal_mode = WAL');
    db.exec(`
      PRAGMA synchronous = FULL;
      PRAGMA fullfsync = ON;
      PRAGMA checkpoint_fullfsync = ON;
      PRAGMA foreign_keys = ON;
      PRAGMA recursive_triggers = ON;
      PRAGMA trusted_schema = OFF;
      PRAGMA cell_size_check = ON;
      PRAGMA journal_size_limit = ${WAL_LIMIT};
    `);
    if (options.maxPages !== undefined) db.exec(`PRAGMA max_page_count = ${options.maxPages}`);
    expectPragma(db, 'journal_mode', 'wal');
    expectPragma(db, 'synchronous', 2);
    expectPragma(db, 'foreign_keys', 1);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}
