import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { CountersignError } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import { DumpContent } from './dump-content.ts';
import type { NotarySource, SourceChange, SourceKey, SourceRepository } from './source.ts';
import { Spool } from './spool.ts';
import { dumpRows } from './sql/dump.ts';

const CHUNK = 256 * 1024;
/** Rows between two words of progress. */
const PROGRESS = 25_000;
const TABLES = new Set(['tuf_files', 'private_keys', 'changefeed']);

/**
 * Reads dumps of a server's and a signer's database, in one file or several, from front to back.
 * Throws IMPORT_UNREADABLE with file and line where one cannot be read as a dump; a row that is wrong by
 * itself is its repository's problem. Keeps the `repositories` that are named, or all where none is.
 * `progress` hears how many rows were read.
 */
export async function openDumps(
  paths: readonly string[],
  repositories: readonly string[],
  progress: (rows: number) => void,
): Promise<NotarySource> {
  const spool = await Spool.open();
  try {
    const kept = new DumpContent(spool, repositories);
    const tables = new Set<string>();
    let rows = 0;
    for (const path of paths) {
      for await (const row of dumpRows(path, chunksOf(path), TABLES)) {
        rows += 1;
        if (rows > LIMITS.importRows) {
          throw new CountersignError(
            'IMPORT_UNREADABLE',
            `expected at most ${LIMITS.importRows} rows in one import, found more in ${path}; make a dump of some of the repositories, and then of others`,
          );
        }
        tables.add(row.table);
        await kept.add(row);
        if (rows % PROGRESS === 0) progress(rows);
      }
    }
    progress(rows);
    if (!tables.has('tuf_files')) {
      throw new CountersignError(
        'IMPORT_UNREADABLE',
        `expected rows of tuf_files, the table of notary-server, in ${paths.join(', ')}; found none`,
      );
    }
    return new DumpSource(paths.join(', '), kept, spool, tables.has('private_keys'));
  } catch (error) {
    await spool.close();
    throw error;
  }
}

class DumpSource implements NotarySource {
  readonly name: string;
  readonly hasKeys: boolean;
  readonly #rows: DumpContent;
  readonly #spool: Spool;

  constructor(name: string, rows: DumpContent, spool: Spool, hasKeys: boolean) {
    this.name = name;
    this.hasKeys = hasKeys;
    this.#rows = rows;
    this.#spool = spool;
  }

  bytes(): Promise<number> {
    return Promise.resolve(this.#spool.length);
  }

  guns(): Promise<readonly string[]> {
    return Promise.resolve(this.#rows.guns());
  }

  async repository(gun: string): Promise<SourceRepository> {
    const problem = this.#rows.problemOf(gun);
    return { files: problem === null ? await this.#rows.files(gun) : [], problem };
  }

  keys(gun: string, ids: readonly string[]): Promise<readonly SourceKey[]> {
    return this.#rows.keys(gun, ids);
  }

  changes(gun: string): AsyncIterable<SourceChange> {
    return this.#rows.changes(gun);
  }

  close(): Promise<void> {
    return this.#spool.close();
  }
}

/** A file's bytes, unpacked where it is gzip. Throws IMPORT_UNREADABLE where it cannot be read. */
async function* chunksOf(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    // First, so that a file that is not there fails here and not in a stream that nobody reads yet.
    const packed = await isGzip(path);
    const file = createReadStream(path, { highWaterMark: CHUNK });
    const unpacked = packed ? pipeline(file, createGunzip({ chunkSize: CHUNK }), ignore) : file;
    for await (const chunk of unpacked) yield chunk as Uint8Array;
  } catch (error) {
    const { code = 'it is damaged' } = error as NodeJS.ErrnoException;
    const why = REASONS[code] ?? (code.startsWith('Z_') ? 'it is no whole gzip file' : code);
    throw new CountersignError('IMPORT_UNREADABLE', `expected to read ${path}, but ${why}`, {
      cause: error,
    });
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'it may not be read by this user',
  EISDIR: 'it is a folder',
};

// What fails on the way is thrown by the last stream of the pipeline too.
const ignore = (): void => undefined;

async function isGzip(path: string): Promise<boolean> {
  await using file = await open(path, 'r');
  const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, 0);
  return bytesRead === 2 && buffer.readUInt16BE() === 0x1f8b;
}
