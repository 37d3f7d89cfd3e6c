import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { CountersignError } from '../../lib/errors.ts';

const SQLITE_BUSY = 5;

/** The right to be the one process that uses a data folder. */
export interface Lock {
  release(): void;
}

/**
 * Takes the folder's lock, or throws STORE_UNAVAILABLE naming the process that has it.
 *
 * The lock is a write transaction that stays open on an empty database beside the real one: the
 * kernel drops it with its process, so `kill -9` leaves nothing to clean up. Nothing else in this
 * process may open and close that file: POSIX drops a process's locks on any close (fcntl(2)).
 */
export function takeLock(data: string): Lock {
  const file = join(data, 'lock.db');
  const owner = join(data, 'lock.pid');
  const db = new DatabaseSync(file, { timeout: 0 });
  try {
    db.exec('BEGIN IMMEDIATE');
  } catch (error) {
    db.close();
    const busy = error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY;
    if (!busy) throw error;
    throw new CountersignError(
      'STORE_UNAVAILABLE',
      `the data folder ${data} is in use by process ${holder(owner)}; stop it first, or name another folder`,
    );
  }
  try {
    writeFileSync(owner, `${process.pid}\n`, { mode: 0o600 });
  } catch {
    // The number only makes a message better: a full disk must not keep the service from starting.
  }
  return {
    release() {
      if (db.isOpen) db.close();
    },
  };
}

function holder(file: string): string {
  try {
    const text = readFileSync(file, 'utf8').trim();
    return /^[0-9]{1,10}$/.test(text) ? text : 'unknown';
  } catch {
    return 'unknown';
  }
}
