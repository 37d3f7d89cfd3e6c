import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open, readFile, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { CountersignError } from '../lib/errors.ts';
import type { Digest, DigestAlgorithm } from '../oci/digest.ts';
import { algorithmOf, digestOf, shortDigest } from '../oci/digest.ts';
import type { DurableFiles } from './durable.ts';
import { ifPresent } from './durable.ts';
import type { Layout } from './layout.ts';

/**
 * The content-addressed files. A file appears here by rename only, after its bytes were found to have
 * the digest that names it and were synced. Nothing here says who may read it: that is what the links
 * in the repositories are for.
 */
export class ContentStore {
  readonly #files: DurableFiles;
  readonly #layout: Layout;

  constructor(files: DurableFiles, layout: Layout) {
    this.#files = files;
    this.#layout = layout;
  }

  /** The size in bytes, or undefined where there is no such content. */
  async size(digest: Digest): Promise<number | undefined> {
    return (await ifPresent(stat(this.#layout.content(digest))))?.size;
  }

  /** Opens content for reading; the caller closes the handle. */
  async open(digest: Digest): Promise<FileHandle | undefined> {
    return ifPresent(open(this.#layout.content(digest), 'r'));
  }

  /** Reads small content whole. Throws INTERNAL where the disk gives back other bytes than were stored. */
  async read(digest: Digest): Promise<Buffer | undefined> {
    const bytes = await ifPresent(readFile(this.#layout.content(digest)));
    if (bytes !== undefined && digestOf(bytes, algorithmOf(digest)) !== digest) {
      throw new CountersignError(
        'INTERNAL',
        `stored content ${shortDigest(digest)} is damaged; push it again to mend it`,
      );
    }
    return bytes;
  }

  /** Stores bytes whose digest the caller has computed. */
  async write(digest: Digest, bytes: Uint8Array): Promise<void> {
    await this.#files.write(this.#layout.content(digest), bytes);
  }

  /** Takes over a synced file whose digest the caller has computed. A damaged older copy is replaced. */
  async adopt(digest: Digest, source: string): Promise<void> {
    await this.#files.adopt(source, this.#layout.content(digest));
  }
}

/** The hex digest of a file, read as a stream. */
export async function hashFile(path: string, algorithm: DigestAlgorithm): Promise<string> {
  const hash = createHash(algorithm);
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
