import type { Hash } from 'node:crypto';
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import type { Digest, DigestAlgorithm } from '../oci/digest.ts';
import { algorithmOf, digestFromHex, shortDigest } from '../oci/digest.ts';
import { hashFile } from './content.ts';
import type { ContentRange } from './range.ts';

/** A request body: the chunks as they arrive, and how many bytes the client announced, if it did. */
export interface UploadBody {
  readonly chunks: AsyncIterable<Uint8Array>;
  readonly length: number | undefined;
}

/**
 * The bytes of one upload. How many were received is the size of the file and nothing else, so that a
 * process that died knows it as well. The hash runs along while it has seen every byte; otherwise the
 * file is read again at the end.
 */
export class UploadSession {
  readonly path: string;
  readonly file: string;
  /** When a request last used it, in milliseconds. */
  touched: number;
  /** Set while one request writes. */
  busy = false;
  readonly #algorithm: DigestAlgorithm;
  #hash: Hash | undefined;
  #hashed = 0;

  constructor(path: string, file: string, touched: number, algorithm: DigestAlgorithm = 'sha256') {
    this.path = path;
    this.file = file;
    this.touched = touched;
    this.#algorithm = algorithm;
    this.#hash = createHash(algorithm);
  }

  /** How many bytes were received. */
  async size(): Promise<number> {
    const handle = await open(this.file, 'r');
    try {
      return (await handle.stat()).size;
    } finally {
      await handle.close();
    }
  }

  /**
   * Appends a body and syncs it; gives the new size. A body that breaks off keeps what arrived (the
   * client resumes there) and throws; one that is refused, or that the disk cannot take, leaves the file
   * as it was.
   */
  async append(body: UploadBody, range: ContentRange | undefined): Promise<Result<number>> {
    const handle = await open(this.file, 'r+');
    try {
      const start = (await handle.stat()).size;
      if (range !== undefined && range.first !== start)
        return refuse('RANGE_INVALID', `expected a chunk at ${start}, found one at ${range.first}`);
      const announced = range === undefined ? body.length : range.last - range.first + 1;
      if (body.length !== undefined && body.length !== announced)
        return refuse(
          'SIZE_INVALID',
          `expected ${announced} bytes as Content-Range says, found a Content-Length of ${body.length}`,
        );
      let at = start;
      for await (const chunk of body.chunks) {
        if (announced !== undefined && at + chunk.length - start > announced)
          return await this.#undo(handle, start, announced, 'more');
        await this.#write(handle, start, at, chunk);
        at += chunk.length;
      }
      if (announced !== undefined && at - start !== announced)
        return await this.#undo(handle, start, announced, `${at - start}`);
      await handle.sync();
      return ok(at);
    } finally {
      await handle.close();
    }
  }

  /** Checks the whole content against the digest; the file must be synced and is not changed. */
  async verify(digest: Digest): Promise<Result<void>> {
    const algorithm = algorithmOf(digest);
    const size = await this.size();
    const running = algorithm === this.#algorithm && this.#hashed === size ? this.#hash : undefined;
    const hex = running?.copy().digest('hex') ?? (await hashFile(this.file, algorithm));
    const found = digestFromHex(algorithm, hex);
    if (found.ok && found.value === digest) return ok(undefined);
    return refuse(
      'DIGEST_INVALID',
      `expected content of ${shortDigest(digest)}, found ${algorithm}:${hex.slice(0, 12)}; upload it again`,
    );
  }

  async #write(handle: FileHandle, start: number, at: number, chunk: Uint8Array): Promise<void> {
    try {
      let done = 0;
      while (done < chunk.length) {
        const { bytesWritten } = await handle.write(chunk, done, chunk.length - done, at + done);
        done += bytesWritten;
      }
    } catch (error) {
      await this.#truncate(handle, start);
      throw error;
    }
    if (this.#hash === undefined || this.#hashed !== at) return;
    this.#hash.update(chunk);
    this.#hashed += chunk.length;
  }

  async #undo(
    handle: FileHandle,
    start: number,
    announced: number,
    found: string,
  ): Promise<Result<never>> {
    await this.#truncate(handle, start);
    return refuse('SIZE_INVALID', `expected a body of ${announced} bytes, found ${found}`);
  }

  async #truncate(handle: FileHandle, size: number): Promise<void> {
    await handle.truncate(size);
    // The running hash cannot be wound back.
    if (this.#hashed > size) this.#hash = undefined;
  }
}
