import { randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm, unlink } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';

/** How many folders are remembered as made; beyond it they are made (and synced) anew. */
const REMEMBERED_FOLDERS = 10_000;

/**
 * Changes below one root that survive `kill -9` and a power cut: a file's bytes are synced before its
 * name appears, the name by one rename, and the folder that holds the name is synced before the call
 * returns. A reader sees the old file or the new one, never a part.
 */
export class DurableFiles {
  readonly root: string;
  readonly #temp: string;
  readonly #folders = new Map<string, Promise<void>>();

  private constructor(root: string) {
    this.root = root;
    this.#temp = join(root, 'tmp');
  }

  /** Opens (or makes) the root and removes what an interrupted process left in its `tmp`. */
  static async open(root: string): Promise<DurableFiles> {
    const files = new DurableFiles(root);
    await mkdir(root, { recursive: true, mode: 0o700 });
    await rm(files.#temp, { recursive: true, force: true });
    await mkdir(files.#temp);
    return files;
  }

  /** Replaces (or makes) a small file by these bytes. */
  async write(target: string, bytes: Uint8Array | string): Promise<void> {
    const temp = join(this.#temp, randomUUID());
    try {
      const handle = await open(temp, 'wx');
      try {
        await handle.writeFile(bytes);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await this.adopt(temp, target);
    } catch (error) {
      await rm(temp, { force: true });
      throw error;
    }
  }

  /** Gives a complete and already synced file its name; what was there under that name is replaced. */
  async adopt(source: string, target: string): Promise<void> {
    await this.folder(dirname(target));
    await rename(source, target);
    await syncFolder(dirname(target));
  }

  /** Makes an empty file whose name is all that it says; one that is there stays. */
  async mark(target: string): Promise<void> {
    await this.folder(dirname(target));
    await (await open(target, 'a')).close();
    await syncFolder(dirname(target));
  }

  /** Removes a file; false where there was none. */
  async remove(target: string): Promise<boolean> {
    try {
      await unlink(target);
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
    await syncFolder(dirname(target));
    return true;
  }

  /** Makes a folder below the root, with every folder above it, all synced. */
  async folder(path: string): Promise<void> {
    let made = this.#folders.get(path);
    if (made === undefined) {
      if (this.#folders.size >= REMEMBERED_FOLDERS) this.#folders.clear();
      made = this.#make(path);
      // Remembered as a promise: whoever comes second waits for the first one's sync too.
      this.#folders.set(path, made);
    }
    try {
      await made;
    } catch (error) {
      this.#folders.delete(path);
      throw error;
    }
  }

  async #make(path: string): Promise<void> {
    await mkdir(path, { recursive: true });
    let at = this.root;
    await syncFolder(at);
    for (const name of relative(this.root, path).split(sep)) {
      at = join(at, name);
      await syncFolder(at);
    }
  }
}

/** Makes the names in a folder durable. */
async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** True where the system says that the file or folder is not there. */
export function isMissing(error: unknown): boolean {
  const code = systemCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** True where the system says that no more can be stored: disk, quota or file size. */
export function isFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(systemCode(error) ?? '');
}

/** The system's name of a failed call (`ENOENT`); undefined for errors of another kind. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && 'syscall' in error
    ? String(error.code)
    : undefined;
}

/** What `work` gives, or undefined where the file it wants is not there. */
export async function ifPresent<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
