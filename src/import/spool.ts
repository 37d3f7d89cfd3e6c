import type { FileHandle } from 'node:fs/promises';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where a value lies in a {@link Spool}. */
export interface SpoolPart {
  readonly at: number;
  readonly length: number;
}

/** A nameless temporary file: what a dump has in the order of its writing is kept there until it is asked for by repository. */
export class Spool {
  readonly #file: FileHandle;
  #length = 0;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Makes an empty one. It has no name any more when this returns, so that nothing is left even by kill -9. */
  static async open(): Promise<Spool> {
    const folder = await mkdtemp(join(tmpdir(), 'countersign-import-'));
    try {
      return new Spool(await open(join(folder, 'spool'), 'wx+', 0o600));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** Keeps the bytes. */
  async add(bytes: Uint8Array): Promise<SpoolPart> {
    const part = { at: this.#length, length: bytes.length };
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.#file.write(
        bytes,
        done,
        bytes.length - done,
        part.at + done,
      );
      done += bytesWritten;
    }
    this.#length += bytes.length;
    return part;
  }

  /** The bytes that were kept. */
  async read({ at, length }: SpoolPart): Promise<Buffer> {
    const bytes = Buffer.alloc(length);
    for (let done = 0; done < length;) {
      const { bytesRead } = await this.#file.read(bytes, done, length - done, at + done);
      if (bytesRead === 0) throw new Error('a temporary file has become shorter');
      done += bytesRead;
    }
    return bytes;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
