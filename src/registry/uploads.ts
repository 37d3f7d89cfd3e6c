import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import type { Clock } from '../lib/time.ts';
import type { Digest, DigestAlgorithm } from '../oci/digest.ts';
import { isPath } from '../oci/reference.ts';
import type { BlobStore } from './blobs.ts';
import type { DurableFiles } from './durable.ts';
import { ifPresent } from './durable.ts';
import type { Layout } from './layout.ts';
import type { ContentRange } from './range.ts';
import type { UploadBody } from './upload-session.ts';
import { UploadSession } from './upload-session.ts';

/** How long an upload that nobody continues is kept. */
const ABANDONED_MS = 24 * 3_600_000;

interface Parts {
  readonly files: DurableFiles;
  readonly layout: Layout;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  /** Most sessions at once. */
  readonly limit: number;
}

/**
 * The open upload sessions. A session belongs to one repository, is named by an unguessable id, is
 * written by one request at a time, and outlives the process.
 */
export class UploadStore {
  readonly #parts: Parts;
  readonly #sessions = new Map<string, UploadSession>();

  private constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Opens the store with the sessions that an earlier process left, less the abandoned ones. */
  static async open(parts: Parts): Promise<UploadStore> {
    const store = new UploadStore(parts);
    const folder = parts.layout.uploads();
    await mkdir(folder, { recursive: true });
    const names = new Set(await readdir(folder));
    for (const name of names) {
      const id = /^([0-9a-f]{32})\.repository$/.exec(name)?.[1];
      if (id !== undefined && names.has(`${id}.data`)) await store.#load(id);
    }
    for (const name of names) {
      if (!store.#sessions.has(name.split('.', 1)[0] ?? ''))
        await rm(join(folder, name), { recursive: true, force: true });
    }
    await store.sweep();
    return store;
  }

  /** Opens a session and gives its id; `algorithm` is the one that its digest is expected to have. TOO_MANY_UPLOADS where so many are open. */
  async begin(path: string, algorithm: DigestAlgorithm): Promise<Result<string>> {
    if (this.#sessions.size >= this.#parts.limit) await this.sweep();
    if (this.#sessions.size >= this.#parts.limit)
      return refuse(
        'TOO_MANY_UPLOADS',
        `expected at most ${this.#parts.limit} uploads at once; finish or cancel some and try again`,
      );
    const id = randomBytes(16).toString('hex');
    const session = new UploadSession(path, this.#file(id, 'data'), this.#now(), algorithm);
    // Counted before the first wait, so that the bound holds for a burst too.
    this.#sessions.set(id, session);
    try {
      await writeFile(session.file, '', { flag: 'wx' });
      await this.#parts.files.write(this.#file(id, 'repository'), path);
    } catch (error) {
      await this.#drop(id);
      throw error;
    }
    return ok(id);
  }

  /** How many bytes a session has. */
  async size(path: string, id: string): Promise<Result<number>> {
    const session = this.#find(path, id);
    if (!session.ok) return session;
    return ok(await session.value.size());
  }

  /** Appends a body; gives the new size. Throws where the body breaks off: what arrived stays. */
  async append(
    path: string,
    id: string,
    body: UploadBody,
    range: ContentRange | undefined,
  ): Promise<Result<number>> {
    return this.#exclusively(path, id, async (session) => session.append(body, range));
  }

  /**
   * Appends the last body, checks the whole against the digest and gives the repository the blob. After
   * this returns the blob is durable, or, where the digest was wrong, the session is gone.
   */
  async finish(
    path: string,
    id: string,
    body: UploadBody,
    range: ContentRange | undefined,
    digest: Digest,
  ): Promise<Result<void>> {
    return this.#exclusively(path, id, async (session) => {
      const appended = await session.append(body, range);
      if (!appended.ok) return appended;
      const verified = await session.verify(digest);
      try {
        if (verified.ok) await this.#parts.blobs.commit(path, digest, session.file);
      } catch (error) {
        // A session whose bytes have already moved has nothing left to continue.
        if ((await ifPresent(stat(session.file))) === undefined) await this.#drop(id);
        throw error;
      }
      await this.#drop(id);
      return verified;
    });
  }

  /** Ends a session and removes what it received. */
  async cancel(path: string, id: string): Promise<Result<void>> {
    return this.#exclusively(path, id, async () => {
      await this.#drop(id);
      return ok(undefined);
    });
  }

  /** Removes the sessions that nobody has continued for a day. */
  async sweep(): Promise<void> {
    const before = this.#now() - ABANDONED_MS;
    for (const [id, session] of this.#sessions) {
      if (!session.busy && session.touched < before) await this.#drop(id);
    }
  }

  async #exclusively<T>(
    path: string,
    id: string,
    work: (session: UploadSession) => Promise<Result<T>>,
  ): Promise<Result<T>> {
    const found = this.#find(path, id);
    if (!found.ok) return found;
    const session = found.value;
    if (session.busy)
      return refuse(
        'UPLOAD_BUSY',
        'another request is writing to this upload; wait for it, then ask for its range',
      );
    session.busy = true;
    try {
      return await work(session);
    } finally {
      session.busy = false;
      session.touched = this.#now();
    }
  }

  #find(path: string, id: string): Result<UploadSession> {
    const session = this.#sessions.get(id);
    return session?.path === path
      ? ok(session)
      : refuse(
          'BLOB_UPLOAD_UNKNOWN',
          'there is no such upload in this repository; start a new one',
        );
  }

  async #load(id: string): Promise<void> {
    const path = await readFile(this.#file(id, 'repository'), 'utf8');
    const file = this.#file(id, 'data');
    const touched = (await stat(file)).mtimeMs;
    if (isPath(path)) this.#sessions.set(id, new UploadSession(path, file, touched));
  }

  async #drop(id: string): Promise<void> {
    this.#sessions.delete(id);
    await rm(this.#file(id, 'data'), { force: true });
    await rm(this.#file(id, 'repository'), { force: true });
  }

  #file(id: string, kind: 'data' | 'repository'): string {
    return join(this.#parts.layout.uploads(), `${id}.${kind}`);
  }

  #now(): number {
    return this.#parts.clock().getTime();
  }
}
