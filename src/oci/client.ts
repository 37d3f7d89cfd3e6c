import type { Json } from '../lib/json.ts';
import { unwrap } from '../lib/result.ts';
import type { ApiAnswer } from './api-call.ts';
import { callApi } from './api-call.ts';
import type { BlobUploads } from './blob-upload.ts';
import { createBlobUploads } from './blob-upload.ts';
import { listRepositories } from './catalog.ts';
import { openConnection } from './connection.ts';
import type { ManifestContent, RegistryContent } from './content.ts';
import { createContent } from './content.ts';
import type { CredentialSource } from './credentials.ts';
import type { Digest } from './digest.ts';
import type { Retry } from './exchange.ts';
import { parseHost } from './reference.ts';
import type { ReferrerList } from './referrers.ts';
import { listReferrers } from './referrers.ts';
import { listTags } from './tags.ts';
import type { TlsLookup } from './tls.ts';
import type { Timeouts } from './transport.ts';

/** Reads and writes one repository's manifests and blobs: what signature formats are given. */
export interface RepositoryContent {
  manifest(reference: string): Promise<ManifestContent | null>;
  blob(digest: Digest, maxBytes: number): Promise<Uint8Array | null>;
  putBlob(digest: Digest, bytes: Uint8Array): Promise<void>;
  putManifest(reference: string, bytes: Uint8Array, mediaType: string): Promise<void>;
  /** What the registry lists as a digest's referrers; `null` where it has no such API. */
  referrers(digest: Digest): Promise<ReferrerList | null>;
}

/**
 * A client of one registry. Reads answer `null` for a sure 404. All methods throw CountersignError:
 * UPSTREAM_UNAVAILABLE (no answer, 429, 5xx, after retries), UPSTREAM_INVALID (an answer that cannot
 * be true), UNAUTHENTICATED and FORBIDDEN with the server's own message.
 */
export interface RegistryClient extends RegistryContent, BlobUploads {
  readonly host: string;
  /** All tags, sorted as the registry sorts them; bounded. A repository that the registry does not know has none. */
  tags(path: string): Promise<readonly string[]>;
  /** The paths of all repositories; `null` where the registry does not list them. */
  repositories(): Promise<readonly string[] | null>;
  /**
   * Asks the API of a Countersign on the registry's origin: `/api/v1/…`. Throws for 401, 403, 429 and
   * 5xx. `repeatable` says that a POST may be sent again where the service was busy, as every GET is.
   */
  api(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    body?: Json,
    repeatable?: boolean,
  ): Promise<ApiAnswer>;
  /** The content of one repository. */
  evidence(path: string): RepositoryContent;
  close(): Promise<void>;
}

/** Which registry, and how to reach it and speak for somebody there. */
export interface RegistryClientOptions {
  /** The registry's host as in references (`docker.io`, `localhost:5000`). */
  readonly host: string;
  readonly credentials?: CredentialSource;
  readonly tls?: TlsLookup;
  /** Hosts that may be asked for tokens besides the registry's own. */
  readonly allowedRealms?: readonly string[];
  readonly userAgent?: string;
  readonly fetchTimeouts?: Partial<Timeouts>;
  readonly retry?: Partial<Retry>;
  /** Aborts everything that is under way. */
  readonly signal?: AbortSignal;
}

/** Makes the client of one registry; nothing is sent before the first call. Throws REFERENCE_INVALID for a host that is none. */
export function createRegistryClient(options: RegistryClientOptions): RegistryClient {
  const host = unwrap(parseHost(options.host));
  const connection = openConnection({ ...options, host, timeouts: options.fetchTimeouts });
  const { exchange, retry } = connection;
  const uploads = createBlobUploads(exchange, retry);
  const content = createContent(exchange);
  return {
    host,
    ...content,
    ...uploads,
    tags: async (path) => (await listTags(exchange, path)) ?? [],
    repositories: () => listRepositories(exchange),
    api: (method, path, body, repeatable = method === 'GET') =>
      callApi(exchange, { method, path, body, repeatable }),
    evidence: (path) => ({
      manifest: (reference) => content.manifest(path, reference),
      blob: (digest, maxBytes) => content.blob(path, digest, maxBytes),
      putManifest: (reference, bytes, type) => content.putManifest(path, reference, bytes, type),
      referrers: (digest) => listReferrers(exchange, path, digest),
      async putBlob(digest, bytes) {
        if (!(await content.hasBlob(path, digest))) await uploads.putBlob(path, digest, bytes);
      },
    }),
    close: () => connection.close(),
  };
}
