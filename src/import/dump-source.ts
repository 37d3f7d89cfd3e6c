import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { CountersignError } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import type { Result } from '../lib/result.ts';
import type { Columns } from './rows.ts';
import { readChangeRow, readFileRow, readKeyRow } from './rows.ts';
import type {
  NotarySource,
  SourceChange,
  SourceFile,
  SourceKey,
  SourceRepository,
} from './source.ts';
import type { SpoolPart } from './spool.ts';
import { Spool } from './spool.ts';
import { binaryValue } from './sql/binary-value.ts';
import type { DumpRow } from './sql/dump.ts';
import { dumpRows } from './sql/dump.ts';

interface Kept {
  readonly files: (Omit<SourceFile, 'bytes'> & SpoolPart)[];
  readonly changes: SourceChange[];
  problem: string | null;
}

const CHUNK = 256 * 1024;
const TABLES = new Set(['tuf_files', 'private_keys', 'changefeed']);

/**
 * Reads dumps of a server's and a signer's database, in one file or several, from front to back.
 * Throws SOURCE_INVALID with file and line where one cannot be read as a dump; a row that is wrong by
 * itself is its repository's problem. `progress` hears how many rows were read.
 */
export async function openDumps(
  paths: readonly string[],
  progress: (rows: number) => void,
): Promise<NotarySource> {
  const spool = await Spool.open();
  try {
    const kept = new Rows(spool);
    const tables = new Set<string>();
    let rows = 0;
    for (const path of paths) {
      for await (const row of dumpRows(path, chunksOf(path), TABLES)) {
        rows += 1;
        if (rows > LIMITS.importRows) {
          throw new CountersignError(
            'SOURCE_INVALID',
            `expected at most ${LIMITS.importRows} rows, found more in ${path}`,
          );
        }
        tables.add(row.table);
        await kept.add(row);
        if (rows % 1000 === 0) progress(rows);
      }
    }
    progress(rows);
    if (!tables.has('tuf_files')) {
      throw new CountersignError(
        'SOURCE_INVALID',
        `expected rows of tuf_files, the table of notary-server, in ${paths.join(', ')}; found none`,
      );
    }
    return new DumpSource(paths.join(', '), kept, tables.has('private_keys'));
  } catch (error) {
    await spool.close();
    throw error;
  }
}

class DumpSource implements NotarySource {
  readonly name: string;
  readonly hasKeys: boolean;
  readonly #rows: Rows;

  constructor(name: string, rows: Rows, hasKeys: boolean) {
    this.name = name;
    this.hasKeys = hasKeys;
    this.#rows = rows;
  }

  guns(): Promise<readonly string[]> {
    return Promise.resolve([...this.#rows.byGun.keys()].toSorted());
  }

  async repository(gun: string): Promise<SourceRepository> {
    const kept = this.#rows.byGun.get(gun);
    if (kept === undefined) return { files: [], problem: null };
    const files: SourceFile[] = [];
    for (const { role, version, sha256, ...part } of kept.files) {
      files.push({ role, version, sha256, bytes: await this.#rows.spool.read(part) });
    }
    return { files, problem: kept.problem };
  }

  keys(gun: string, ids: readonly string[]): Promise<readonly SourceKey[]> {
    const { keys } = this.#rows;
    return Promise.resolve(
      [...keys.values()].filter((key) => key.gun === gun || ids.includes(key.id)),
    );
  }

  changes(gun: string): Promise<readonly SourceChange[]> {
    const changes = this.#rows.byGun.get(gun)?.changes ?? [];
    return Promise.resolve(changes.toSorted((a, b) => a.id - b.id));
  }

  close(): Promise<void> {
    return this.#rows.spool.close();
  }
}

/** What was read so far, by repository. */
class Rows {
  readonly byGun = new Map<string, Kept>();
  readonly keys = new Map<string, SourceKey>();
  readonly spool: Spool;

  constructor(spool: Spool) {
    this.spool = spool;
  }

  /** Keeps a row, or notes why its repository cannot be imported. Throws SOURCE_INVALID where it names none. */
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
    if (gun === '') throw new CountersignError('SOURCE_INVALID', why);
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

/** A file's bytes, unpacked where it is gzip. Throws SOURCE_INVALID where it cannot be read. */
async function* chunksOf(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    const file = createReadStream(path, { highWaterMark: CHUNK });
    const unpacked = (await isGzip(path))
      ? pipeline(file, createGunzip({ chunkSize: CHUNK }), ignore)
      : file;
    for await (const chunk of unpacked) yield chunk as Uint8Array;
  } catch (error) {
    const { code = 'it is damaged' } = error as NodeJS.ErrnoException;
    throw new CountersignError('SOURCE_INVALID', `expected to read ${path}, but ${code}`, {
      cause: error,
    });
  }
}

// What fails on the way is thrown by the last stream of the pipeline too.
const ignore = (): void => undefined;

async function isGzip(path: string): Promise<boolean> {
  await using file = await open(path, 'r');
  const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, 0);
  return bytesRead === 2 && buffer.readUInt16BE() === 0x1f8b;
}
