import { CountersignError } from '../lib/errors.ts';
import type { Result } from '../lib/result.ts';
import type { Columns } from './rows.ts';
import { readChangeRow, readFileRow, readKeyRow } from './rows.ts';
import type { SourceChange, SourceFile, SourceKey } from './source.ts';
import type { Spool, SpoolPart } from './spool.ts';
import { binaryValue } from './sql/binary-value.ts';
import type { DumpRow } from './sql/dump.ts';

/** What dumps say of one repository. */
interface Kept {
  readonly files: (Omit<SourceFile, 'bytes'> & SpoolPart)[];
  readonly changes: SourceChange[];
  problem: string | null;
}

/** What was read of dumps, by repository. */
export class DumpContent {
  readonly byGun = new Map<string, Kept>();
  readonly keys = new Map<string, SourceKey>();
  readonly spool: Spool;

  /** Begins with nothing; the spool is the caller's to close. */
  constructor(spool: Spool) {
    this.spool = spool;
  }

  /** Keeps a row, or notes why its repository cannot be imported. Throws IMPORT_UNREADABLE where it names none. */
  async add(row: DumpRow): Promise<void> {
    const columns = columnsOf(row);
    if (row.table === 'tuf_files') {
      const { gun, row: read } = readFileRow(columns);
      const file = this.#take(row, gun, read);
      if (file === null) return;
      const { role, version, sha256 } = file;
      const part = await this.spool.add(file.bytes);
      this.#of(gun).files.push({ role, version, sha256, ...part });
    } else if (row.table === 'private_keys') {
      const { gun, row: read } = readKeyRow(columns);
      const key = this.#take(row, gun, read);
      if (key !== null) this.keys.set(key.id, key);
    } else {
      const { gun, row: read } = readChangeRow(columns);
      const change = this.#take(row, gun, read);
      if (change !== null) this.#of(gun).changes.push(change);
    }
  }

  #take<T>({ at }: DumpRow, gun: string, read: Result<T | null>): T | null {
    if (read.ok) return read.value;
    const why = `${at.file}:${at.line}: ${read.refusal.message}`;
    // A row of nobody's may be anybody's.
    if (gun === '') throw new CountersignError('IMPORT_UNREADABLE', why);
    this.#of(gun).problem ??= why;
    return null;
  }

  #of(gun: string): Kept {
    const known = this.byGun.get(gun);
    if (known !== undefined) return known;
    const made: Kept = { files: [], changes: [], problem: null };
    this.byGun.set(gun, made);
    return made;
  }
}

function columnsOf({ columns, dialect }: DumpRow): Columns {
  return {
    text: (name) => {
      const value = columns.get(name) ?? null;
      // Text comes as UTF-8, one character per byte.
      return value === null ? null : Buffer.from(value, 'latin1').toString();
    },
    bytes: (name) => {
      const value = columns.get(name) ?? null;
      return value === null ? null : binaryValue(value, dialect);
    },
  };
}
