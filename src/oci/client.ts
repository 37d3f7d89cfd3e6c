import { CountersignError } from '../lib/errors.ts';
import type { Json } from '../lib/json.ts';
import { parseJson } from '../lib/json.ts';
import { LIMITS } from '../lib/limits.ts';
import { unwrap } from '../lib/result.ts';
import { createAuthorizer } from './authorize.ts';
import type { BlobUploads } from './blob-upload.ts';
import { createBlobUploads } from './blob-upload.ts';
import { listRepositories } from './catalog.ts';
import type { CredentialSource } from './credentials.ts';
import { NO_CREDENTIALS } from './credentials.ts';
import type { Digest } from './digest.ts';
import { algorithmOf, digestOf, isDigest, shortDigest } from './digest.ts';
import type { Call, Exchange, Retry } from './exchange.ts';
import { createExchange, DEFAULT_RETRY } from './exchange.ts';
import { essence } from './manifest.ts';
import { MANIFEST_ACCEPT } from './media-types.ts';
import { manifestUrl, pullScope, pushScope, repositoryUrl } from './endpoint.ts';
import { findOrigin } from './origin.ts';
import { parseHost } from './reference.ts';
import type { ReferrerList } from './referrers.ts';
import { listReferrers } from './referrers.ts';
import { isSure404, refusalOf } from './refusal.ts';
import { listTags } from './tags.ts';
import type { TlsLookup } from './tls.ts';
import { NO_TLS_FILES } from './tls.ts';
import type { Timeouts } from './transport.ts';
import { createTransport, DEFAULT_TIMEOUTS } from './transport.ts';

/** A manifest as the registry gave it: raw bytes, their own digest, and the type it was sent as. */
export interface ManifestContent {
  readonly bytes: Uint8Array;
  /** The Content-Type, lower case without parameters; not yet compared with the bytes. */
  readonly mediaType: string;
  /** The hash of the bytes; never what a header claims. */
  readonly digest: Digest;
}

/** Reads and writes one repository's manifests and blobs: what signature formats are given. */
export interface RepositoryContent {
  manifest(reference: string): Promise<ManifestContent | null>;
  blob(digest: Digest, maxBytes: number): Promise<Uint8Array | null>;
  putBlob(digest: Digest, bytes: Uint8Array): Promise<void>;
  putManifest(reference: string, bytes: Uint8Array, mediaType: string): Promise<void>;
  /** What the registry lists as a digest's referrers; `null` where it has no such API. */
  referrers(digest: Digest): Promise<ReferrerList | null>;
}

/** An answer of the API that a Countersign serves beside the registry; `body` is `undefined` where it was no JSON. */
export interface ApiAnswer {
  readonly status: number;
  readonly body: Json | undefined;
  /** The raw body, for answers that are hashed. */
  readonly bytes: Uint8Array;
  /** The Content-Type, lower case without parameters. */
  readonly mediaType: string;
}

/**
 * A client of one registry. Reads answer `null` for a sure 404. All methods throw CountersignError:
 * UPSTREAM_UNAVAILABLE (no answer, 429, 5xx, after retries), UPSTREAM_INVALID (an answer that cannot
 * be true), UNAUTHENTICATED and FORBIDDEN with the server's own message.
 */
export interface RegistryClient extends BlobUploads {
  readonly host: string;
  manifest(path: string, reference: string): Promise<ManifestContent | null>;
  /** True where the registry has the manifest; asked by HEAD, so nothing more than that is known. */
  hasManifest(path: string, reference: string): Promise<boolean>;
  putManifest(path: string, reference: string, bytes: Uint8Array, mediaType: string): Promise<void>;
  /** The blob's bytes, checked against the digest. Throws TOO_LARGE for more than `maxBytes`. */
  blob(path: string, digest: Digest, maxBytes: number): Promise<Uint8Array | null>;
  hasBlob(path: string, digest: Digest): Promise<boolean>;
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

const API_BYTES = 8 * 1024 * 1024;

/** Makes the client of one registry; nothing is sent before the first call. Throws REFERENCE_INVALID for a host that is none. */
export function createRegistryClient(options: RegistryClientOptions): RegistryClient {
  const host = unwrap(parseHost(options.host));
  const { signal } = options;
  const tls = options.tls ?? NO_TLS_FILES;
  const transport = createTransport({
    tls,
    timeouts: { ...DEFAULT_TIMEOUTS, ...options.fetchTimeouts },
    userAgent: options.userAgent ?? 'countersign',
  });
  let found: Promise<URL> | undefined;
  const origin = (): Promise<URL> => {
    found ??= tls(host).then(({ explicit }) =>
      findOrigin(host, transport, { explicitCa: explicit, signal }),
    );
    // A registry that was not up a moment ago may be up now.
    found.catch(() => (found = undefined));
    return found;
  };
  const authorizer = createAuthorizer({
    host,
    credentials: options.credentials ?? NO_CREDENTIALS,
    allowedRealms: options.allowedRealms ?? [],
    transport,
    origin,
    signal,
  });
  const retry = { ...DEFAULT_RETRY, ...options.retry };
  const exchange = createExchange({ transport, authorizer, origin, retry, signal });
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
    close: () => transport.close(),
  };
}

type Content = Pick<
  RegistryClient,
  'manifest' | 'hasManifest' | 'putManifest' | 'blob' | 'hasBlob'
>;

function createContent(exchange: Exchange): Content {
  const read = (path: string, method: 'GET' | 'HEAD', target: string): Call => ({
    method,
    target,
    headers: { accept: target.includes('/manifests/') ? MANIFEST_ACCEPT : '*/*' },
    scopes: [pullScope(path)],
    idempotent: true,
  });
  const head = (path: string, target: string, doing: string): Promise<boolean> =>
    exchange.request(read(path, 'HEAD', target), async (answer) => {
      if (answer.status !== 200 && answer.status !== 404) throw await refusalOf(answer, doing);
      await answer.drain();
      return answer.status === 200;
    });
  return {
    manifest(path, reference) {
      const doing = `reading ${path} ${shorten(reference)}`;
      const call = read(path, 'GET', manifestUrl(path, reference));
      return exchange.request(call, async (answer) => {
        if (answer.status === 404) return absent(answer, doing);
        if (answer.status !== 200) throw await refusalOf(answer, doing);
        const bytes = await answer.read(LIMITS.manifestBytes);
        const digest = digestOf(bytes, isDigest(reference) ? algorithmOf(reference) : 'sha256');
        if (isDigest(reference) && digest !== reference) throw lies(answer.host, reference, digest);
        return { bytes, mediaType: essence(answer.header('content-type') ?? ''), digest };
      });
    },
    hasManifest: (path, reference) =>
      head(path, manifestUrl(path, reference), `reading ${path} ${shorten(reference)}`),
    hasBlob: (path, digest) =>
      head(path, repositoryUrl(path, `blobs/${digest}`), `reading a blob of ${path}`),
    putManifest(path, reference, bytes, mediaType) {
      const doing = `pushing ${path} ${shorten(reference)}`;
      const call: Call = {
        method: 'PUT',
        target: manifestUrl(path, reference),
        headers: { 'content-type': mediaType },
        body: bytes,
        scopes: [pushScope(path)],
        idempotent: true,
      };
      return exchange.request(call, async (answer) => {
        if (answer.status !== 201) throw await refusalOf(answer, doing);
        await answer.drain();
        const claimed = answer.header('docker-content-digest');
        if (claimed === undefined || !isDigest(claimed)) return;
        const own = digestOf(bytes, algorithmOf(claimed));
        if (claimed !== own) throw lies(answer.host, own, claimed);
      });
    },
    blob(path, digest, maxBytes) {
      const doing = `reading blob ${shortDigest(digest)} of ${path}`;
      const call = read(path, 'GET', repositoryUrl(path, `blobs/${digest}`));
      return exchange.request(call, async (answer) => {
        if (answer.status === 404) return absent(answer, doing);
        if (answer.status !== 200) throw await refusalOf(answer, doing);
        const declared = Number(answer.header('content-length') ?? '0');
        if (declared > maxBytes) {
          await answer.drain();
          throw new CountersignError(
            'TOO_LARGE',
            `expected blob ${shortDigest(digest)} of at most ${maxBytes} bytes, found ${declared}`,
          );
        }
        const bytes = await answer.read(maxBytes);
        const own = digestOf(bytes, algorithmOf(digest));
        if (own !== digest) throw lies(answer.host, digest, own);
        return bytes;
      });
    },
  };
}

async function absent(answer: Parameters<typeof isSure404>[0], doing: string): Promise<null> {
  if (await isSure404(answer)) return null;
  throw new CountersignError(
    'UPSTREAM_INVALID',
    `${answer.host} answered ${doing} with a 404 page that is not a registry's: is that the registry's address?`,
  );
}

function shorten(reference: string): string {
  return isDigest(reference) ? shortDigest(reference) : reference;
}

function lies(host: string, expected: Digest, found: Digest): CountersignError {
  return new CountersignError(
    'UPSTREAM_INVALID',
    `expected ${shortDigest(expected)} from ${host}, found content of ${shortDigest(found)}`,
  );
}

interface ApiCall {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body: Json | undefined;
  readonly repeatable: boolean;
}

function callApi(
  exchange: Exchange,
  { method, path, body, repeatable }: ApiCall,
): Promise<ApiAnswer> {
  if (!path.startsWith('/api/v1/'))
    throw new CountersignError('REQUEST_INVALID', `expected a path under /api/v1/, found ${path}`);
  const call: Call = {
    method,
    target: path,
    headers: {
      accept: 'application/json',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: Buffer.from(JSON.stringify(body)) }),
    scopes: [],
    idempotent: repeatable,
  };
  return exchange.request(call, async (answer) => {
    const { status } = answer;
    if (status === 401 || status === 403 || status === 429 || status >= 500)
      throw await refusalOf(answer, `${method} ${path.split('?', 1)[0] ?? ''}`);
    const bytes = await answer.read(API_BYTES);
    const parsed = parseJson(bytes, { maxBytes: API_BYTES });
    const mediaType = essence(answer.header('content-type') ?? '');
    return { status, body: parsed.ok ? parsed.value : undefined, bytes, mediaType };
  });
}
