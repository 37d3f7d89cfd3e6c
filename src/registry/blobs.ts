import type { FileHandle } from 'node:fs/promises';
import { access } from 'node:fs/promises';
import type { Digest } from '../oci/digest.ts';
import type { ContentStore } from './content.ts';
import type { DurableFiles } from './durable.ts';
import { ifPresent } from './durable.ts';
import type { Layout } from './layout.ts';

/**
 * Which blobs each repository has. A blob is readable in a repository only where it was pushed or
 * mounted, although its bytes are stored once for all (CVE-2024-39897: a deduplicated blob was readable
 * from every repository).
 */
export class BlobStore {
  readonly #files: DurableFiles;
  readonly #layout: Layout;
  readonly #content: ContentStore;

  constructor(files: DurableFiles, layout: Layout, content: ContentStore) {
    this.#files = files;
    this.#layout = layout;
    this.#content = content;
  }

  /** The blob's size, or undefined where this repository does not have it. */
  async size(path: string, digest: Digest): Promise<number | undefined> {
    return (await this.#linked(path, digest)) ? this.#content.size(digest) : undefined;
  }

  /** Opens the blob for reading; undefined where this repository does not have it. */
  async open(path: string, digest: Digest): Promise<FileHandle | undefined> {
    return (await this.#linked(path, digest)) ? this.#content.open(digest) : undefined;
  }

  /** Gives the repository a blob from a synced file whose digest was checked; the file is moved. */
  async commit(path: string, digest: Digest, source: string): Promise<void> {
    await this.#content.adopt(digest, source);
    await this.#files.mark(this.#layout.blob(path, digest));
  }

  /** Gives the repository a blob that another one has; false where the other one does not. */
  async mount(path: string, digest: Digest, from: string): Promise<boolean> {
    if ((await this.size(from, digest)) === undefined) return false;
    await this.#files.mark(this.#layout.blob(path, digest));
    return true;
  }

  /** Takes the blob from the repository (the bytes stay for the others); false where it had none. */
  async remove(path: string, digest: Digest): Promise<boolean> {
    return this.#files.remove(this.#layout.blob(path, digest));
  }

  async #linked(path: string, digest: Digest): Promise<boolean> {
    const found = await ifPresent(access(this.#layout.blob(path, digest)).then(() => true));
    return found === true;
  }
}
