import type { IncomingMessage, ServerResponse } from 'node:http';
import { resolve } from 'node:path';
import { CountersignError, messageOf } from '../lib/errors.ts';
import type { Clock } from '../lib/time.ts';
import { systemClock } from '../lib/time.ts';
import type { Answer } from './answer.ts';
import { errorAnswer, refusalAnswer, writeAnswer } from './answer.ts';
import { BlobStore } from './blobs.ts';
import { ContentStore } from './content.ts';
import { dispatch } from './dispatch.ts';
import { DurableFiles, isFull, systemCode } from './durable.ts';
import type { Stores } from './handlers/exchange.ts';
import { Layout } from './layout.ts';
import { ManifestStore } from './manifests.ts';
import { ReferrerStore } from './referrers.ts';
import { parseTarget } from './routes.ts';
import { TagStore } from './tags.ts';
import { UploadStore } from './uploads.ts';

/** How often abandoned uploads are looked for. */
const SWEEP_MS = 3_600_000;
const MAX_UPLOADS = 1000;

/** Where the embedded registry keeps its content, and its bounds. */
export interface RegistryOptions {
  /**
   * The folder that holds everything; made when missing. Only one process may use it at a time, which
   * the caller sees to (the service locks the data folder around it).
   */
  readonly root: string;
  readonly clock?: Clock;
  /** Most upload sessions at once (default 1000). */
  readonly maxUploads?: number;
  /** Told of failures that a client only sees as 500, 503 or 507, for the log. */
  readonly onError?: (error: unknown) => void;
}

/** A registry as a handler for a `node:http` server. */
export interface Registry {
  /**
   * Answers one request. It authenticates nobody: whoever can reach the server may read and write.
   * The server's `requestTimeout` must be 0, for an upload may take hours; a body that stands still is
   * cut here.
   */
  readonly handler: (request: IncomingMessage, response: ServerResponse) => void;
  /** Resolves when the requests under way have ended. Close the server first. */
  close(): Promise<void>;
}

/**
 * Opens the embedded registry: the OCI distribution API (spec 1.1) over a folder of content-addressed
 * files. Every 2xx to a push or a delete is on disk before it leaves; a process killed at any point
 * leaves nothing half-written that is ever served. Bytes that nothing refers to any more are kept.
 * Throws STORE_UNAVAILABLE where the folder cannot be used, or this process has it open already.
 */
export async function createRegistry(options: RegistryOptions): Promise<Registry> {
  const root = resolve(options.root);
  if (openRoots.has(root))
    throw new CountersignError(
      'STORE_UNAVAILABLE',
      `the folder ${root} is already in use by another registry of this process`,
    );
  openRoots.add(root);
  try {
    return openedRegistry(await openStores(options), options.onError ?? (() => undefined), () =>
      openRoots.delete(root),
    );
  } catch (error) {
    openRoots.delete(root);
    if (systemCode(error) === undefined) throw error;
    const message = `the registry cannot use its folder ${root}: ${messageOf(error)}`;
    throw new CountersignError('STORE_UNAVAILABLE', message, { cause: error });
  }
}

// Two over one folder would clear each other's temporary files and not see each other's locks.
const openRoots = new Set<string>();

function openedRegistry(
  stores: Stores,
  onError: (error: unknown) => void,
  release: () => void,
): Registry {
  const running = new Set<Promise<void>>();
  const sweeper = setInterval(() => {
    stores.uploads.sweep().catch(onError);
  }, SWEEP_MS).unref();
  return {
    handler: (request, response) => {
      const work = serve(stores, request, response, onError);
      running.add(work);
      void work.finally(() => running.delete(work));
    },
    close: async () => {
      clearInterval(sweeper);
      await Promise.all(running);
      release();
    },
  };
}

async function openStores(options: RegistryOptions): Promise<Stores> {
  const files = await DurableFiles.open(options.root);
  const layout = new Layout(options.root);
  const content = new ContentStore(files, layout);
  const blobs = new BlobStore(files, layout, content);
  const tags = new TagStore(files, layout);
  const referrers = new ReferrerStore(files, layout);
  const uploads = await UploadStore.open({
    files,
    layout,
    blobs,
    clock: options.clock ?? systemClock,
    limit: options.maxUploads ?? MAX_UPLOADS,
  });
  const manifests = new ManifestStore({ files, layout, content, blobs, tags, referrers });
  return { repositories: layout.repositories(), blobs, uploads, manifests, tags, referrers };
}

/** Never throws: a failure is answered, or, once the answer has begun, cuts the connection. */
async function serve(
  stores: Stores,
  request: IncomingMessage,
  response: ServerResponse,
  onError: (error: unknown) => void,
): Promise<void> {
  try {
    await writeAnswer(request, response, await answerTo(stores, request));
  } catch (error) {
    // A client that went away is not a failure of ours.
    if (!response.destroyed && !(error instanceof CountersignError && error.code !== 'INTERNAL'))
      onError(error);
    if (response.headersSent || response.destroyed) response.destroy();
    else await writeAnswer(request, response, failure(error)).catch(onError);
  }
}

async function answerTo(stores: Stores, request: IncomingMessage): Promise<Answer> {
  const target = parseTarget(request.url ?? '');
  if (!target.ok) return refusalAnswer(target.refusal);
  return dispatch({ stores, request, query: target.value.query }, target.value.route);
}

function failure(error: unknown): Answer {
  if (error instanceof CountersignError) return errorAnswer(error.code, messageOf(error));
  if (isFull(error))
    return errorAnswer('STORAGE_FULL', 'the registry has no room left; nothing was changed');
  if (systemCode(error) !== undefined)
    return errorAnswer('STORE_UNAVAILABLE', 'the registry could not read or write its folder');
  return errorAnswer('INTERNAL', 'an unexpected failure; the log has the details');
}
