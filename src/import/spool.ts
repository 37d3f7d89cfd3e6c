import type { FileHandle } from 'node:fs/promises';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CountersignError } from '../lib/errors.ts';
import type { Json } from '../lib/json.ts';
import { LIMITS } from '../lib/limits.ts';

/** What is kept together: a few fields, and bytes as they are. */
export interface SpoolRecord {
  readonly fields: Json;
  readonly bytes: Uint8Array;
}

const LENGTHS = 8;
/** What is written at once: rows are small, and there are many. */
const BATCH = 1024 * 1024;
/** What is read at once: all of most rows. */
const FIRST = 8192;

/**
 * A nameless temporary file: what a dump has in the order of its writing is kept there until it is asked
 * for by repository, so that only places in it are in memory.
 */
export class Spool {
  readonly #file: FileHandle;
  readonly #most: number;
  #written = 0;
  #batch: Buffer[] = [];
  #waiting = 0;

  private constructor(file: FileHandle, most: number) {
    this.#file = file;
    this.#most = most;
  }

  /**
   * Makes an empty one for at most as many bytes. It has no name any more when this returns, so that
   * nothing is left even by kill -9.
   */
  static async open(most: number = LIMITS.importSpoolBytes): Promise<Spool> {
    const folder = await mkdtemp(join(tmpdir(), 'countersign-import-'));
    try {
      return new Spool(await open(join(folder, 'spool'), 'wx+', 0o600), most);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** Bytes that are kept. */
  get length(): number {
    return this.#written + this.#waiting;
  }

  /** Keeps a record and returns its place. Throws IMPORT_UNREADABLE where there is no room for it. */
  async add({ fields, bytes }: SpoolRecord): Promise<number> {
    const place = this.length;
    const text = Buffer.from(JSON.stringify(fields));
    const lengths = Buffer.alloc(LENGTHS);
    lengths.writeUInt32BE(text.length);
    lengths.writeUInt32BE(bytes.length, 4);
    const length = LENGTHS + text.length + bytes.length;
    if (place + length > this.#most) {
      throw new CountersignError(
        'IMPORT_UNREADABLE',
        `expected at most ${this.#most} bytes of trust data in one import, found more; name some of the repositories, and then others`,
      );
    }
    this.#batch.push(lengths, text, Buffer.from(bytes));
    this.#waiting += length;
    if (this.#waiting >= BATCH) await this.#flush();
    return place;
  }

  /** The record at a place. Throws where the file cannot be read. */
  async read(place: number): Promise<SpoolRecord> {
    await this.#flush();
    const head = Buffer.allocUnsafe(Math.min(FIRST, this.#written - place));
    await this.#fill(head, place);
    const fieldsLength = head.readUInt32BE();
    const from = LENGTHS + fieldsLength;
    const to = from + head.readUInt32BE(4);
    // By itself, once: whoever reads a repository keeps every byte of it until it is stored.
    const whole = Buffer.allocUnsafeSlow(to);
    const first = head.copy(whole);
    await this.#fill(whole.subarray(first), place + first);
    const fields = JSON.parse(whole.toString('utf8', LENGTHS, from)) as Json;
    return { fields, bytes: whole.subarray(from) };
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #flush(): Promise<void> {
    if (this.#waiting === 0) return;
    const bytes = Buffer.concat(this.#batch);
    this.#batch = [];
    this.#waiting = 0;
    try {
      for (let done = 0; done < bytes.length;) {
        const left = bytes.length - done;
        const { bytesWritten } = await this.#file.write(bytes, done, left, this.#written + done);
        done += bytesWritten;
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      throw new CountersignError(
        'IMPORT_UNREADABLE',
        `expected room for what the dump holds in ${tmpdir()}, found none after ${this.#written} bytes; set TMPDIR to a folder with more, or name some of the repositories`,
        { cause: error },
      );
    }
    this.#written += bytes.length;
  }

  async #fill(bytes: Buffer, at: number): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const { bytesRead } = await this.#file.read(bytes, done, bytes.length - done, at + done);
      if (bytesRead === 0) throw new Error('a temporary file has become shorter');
      done += bytesRead;
    }
  }
}
