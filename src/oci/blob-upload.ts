import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { CountersignError } from '../lib/errors.ts';
import type { Digest } from './digest.ts';
import { shortDigest } from './digest.ts';
import type { Exchange, Retry } from './exchange.ts';
import { backoff } from './exchange.ts';
import { begin, finish, isTransient, landed, patch, progress } from './upload-session.ts';

/** A blob that is to be uploaded: known digest and size, and bytes that can be read from any position. */
export interface BlobContent {
  readonly digest: Digest;
  readonly size: number;
  /** Opens the bytes from `start` on. */
  open(start: number): Readable;
}

/** How one blob is uploaded. */
export interface UploadOptions {
  /** A repository of the same registry that may have the blob: tried as a mount first. */
  readonly mountFrom?: string;
  /** Told how many bytes were sent so far; smaller than before where an upload began anew. */
  readonly onSent?: (bytes: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Uploads blobs to the repositories of one registry; throws as its client does. */
export interface BlobUploads {
  /**
   * Uploads a blob, resuming where a connection broke and beginning anew where the registry lost the
   * session; gives up after a bounded number of attempts without progress. Answers `mounted` where
   * the registry took it from `mountFrom` instead.
   */
  uploadBlob(
    path: string,
    blob: BlobContent,
    options?: UploadOptions,
  ): Promise<'uploaded' | 'mounted'>;
  /** Uploads a small blob that is in memory. */
  putBlob(path: string, digest: Digest, bytes: Uint8Array): Promise<void>;
}

// An upload may break many times as long as it moves; without a byte of progress, only so often.
const MAX_BREAKS = 50;

/** Makes the blob uploads of one registry. */
export function createBlobUploads(exchange: Exchange, retry: Retry): BlobUploads {
  return {
    async putBlob(path, digest, bytes) {
      // POST then PUT: two requests, which every registry takes (distribution-spec, "POST then PUT").
      for (let attempt = 1; ; attempt++) {
        try {
          const session = await begin(exchange, path, undefined, undefined);
          if (session === 'mounted') return;
          await finish(exchange, path, digest, session, { bytes });
          return;
        } catch (error) {
          if (!isTransient(error) || attempt >= retry.attempts) throw error;
        }
        await sleep(backoff(retry, attempt));
      }
    },
    async uploadBlob(path, blob, options = {}) {
      const { mountFrom, signal } = options;
      let session = await begin(exchange, path, signal, { digest: blob.digest, from: mountFrom });
      if (session === 'mounted') return 'mounted';
      let offset = 0;
      let idle = 0;
      for (let breaks = 0; ; breaks++) {
        let failure: unknown;
        try {
          if (offset < blob.size) {
            session = await patch(exchange, path, blob, session, offset, options);
            offset = blob.size;
          }
          await finish(exchange, path, blob.digest, session, { signal });
          return 'uploaded';
        } catch (error) {
          if (!isTransient(error) || signal?.aborted === true) throw error;
          failure = error;
        }
        // Whoever answers nothing new again and again will not do so the next time.
        if (++idle >= retry.attempts || breaks >= MAX_BREAKS) throw failure;
        await sleep(backoff(retry, idle), undefined, { signal }).catch(() => undefined);
        signal?.throwIfAborted();
        const received = await progress(exchange, path, session, signal);
        if (received === undefined) {
          // A session also ends by success: then only the answer was lost.
          if (offset === blob.size && (await landed(exchange, path, blob.digest)))
            return 'uploaded';
          session = await begin(exchange, path, signal, undefined);
          if (session === 'mounted') return 'mounted';
          offset = 0;
        } else {
          if (received.offset > offset) idle = 0;
          ({ url: session, offset } = received);
          if (offset > blob.size) throw wrongLength(session, blob.digest);
        }
        options.onSent?.(offset);
      }
    },
  };
}

function wrongLength(session: URL, digest: Digest): CountersignError {
  return new CountersignError(
    'UPSTREAM_INVALID',
    `${session.host} says that it has more of ${shortDigest(digest)} than there is`,
  );
}
