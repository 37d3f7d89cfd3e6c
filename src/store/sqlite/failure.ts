import { CountersignError } from '../../lib/errors.ts';

// sqlite.org/rescode.html
const SQLITE_FULL = 13;
const SQLITE_TOOBIG = 18;
const SQLITE_CONSTRAINT = 19;
const SQLITE_MISMATCH = 20;
const SQLITE_IOERR_SHMSIZE = 4874;

/** Our error for a failure of SQLite or the file system: STORAGE_FULL or STORE_UNAVAILABLE. The engine's words go into `detail` only. */
export function storeFailure(error: unknown): CountersignError {
  if (error instanceof CountersignError) return error;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const number = error instanceof Error && 'errcode' in error ? Number(error.errcode) : 0;
  const detail =
    error instanceof Error ? `${error.message} (${String(code)} ${number})` : String(error);
  const full =
    code === 'ENOSPC' ||
    code === 'EDQUOT' ||
    (number & 0xff) === SQLITE_FULL ||
    number === SQLITE_IOERR_SHMSIZE;
  return full
    ? new CountersignError(
        'STORAGE_FULL',
        'the disk of the data folder is full; nothing was changed; make room, then repeat',
        { cause: error, detail },
      )
    : new CountersignError(
        'STORE_UNAVAILABLE',
        'the database could not be read or written; the log of the service has the details',
        { cause: error, detail },
      );
}

/** True for a failure of the engine or the disk; false for one that the statement or our own code brought about, which undoes that commit alone. */
export function isEngineFailure(error: unknown): boolean {
  if (!(error instanceof Error) || !('errcode' in error)) return false;
  const primary = Number(error.errcode) & 0xff;
  return primary !== SQLITE_TOOBIG && primary !== SQLITE_CONSTRAINT && primary !== SQLITE_MISMATCH;
}
