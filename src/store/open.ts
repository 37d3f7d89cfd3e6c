import { CountersignError } from '../lib/errors.ts';
import type { Clock } from '../lib/time.ts';
import type { RecoverOptions, Recovery } from './recovery.ts';
import { openSqliteStore } from './sqlite/sqlite-store.ts';
import { recoverSqliteStore } from './sqlite/recover.ts';
import type { Store } from './store.ts';

/** Which store, and where it keeps its files. */
export interface StoreOptions {
  readonly data: string;
  /** `sqlite`: a file under `data`. */
  readonly store: string;
  readonly clock: Clock;
}

function requireSqlite(store: string): void {
  if (store === 'sqlite') return;
  // A connection string may hold a password: only its scheme is repeated.
  const found = /^postgres(?:ql)?:/.test(store) ? 'postgres://…' : 'something else';
  throw new CountersignError(
    'CONFIG_INVALID',
    `expected store: sqlite, found ${found}, which is not available in this version`,
  );
}

/**
 * Opens the store; the caller closes it. The only place that names an engine. Throws CONFIG_INVALID
 * for an engine that there is not; STORE_UNAVAILABLE, STORAGE_FULL or STORE_ROLLED_BACK as the engine says.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  requireSqlite(options.store);
  return openSqliteStore({ data: options.data, clock: options.clock });
}

/** Lets a store that is older than its high-water file be opened again, and records that it was. Throws as {@link openStore}. */
export async function recoverStore(options: StoreOptions & RecoverOptions): Promise<Recovery> {
  requireSqlite(options.store);
  return recoverSqliteStore(options);
}
