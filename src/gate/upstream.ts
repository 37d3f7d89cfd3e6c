import type { Readable } from 'node:stream';
import { Pool } from 'undici';
import type { Dispatcher } from 'undici';
import { CountersignError, messageOf } from '../lib/errors.ts';
import { isArray, isObject, parseJson } from '../lib/json.ts';
import { LIMITS } from '../lib/limits.ts';
import type { Digest } from '../oci/digest.ts';
import { algorithmOf, digestOf, isDigest } from '../oci/digest.ts';
import { essence } from '../oci/manifest.ts';
import { MANIFEST_ACCEPT } from '../oci/media-types.ts';
import { isTag } from '../oci/reference.ts';
import type { Caller } from './caller.ts';

/** Where the registry behind the gate is. */
export interface UpstreamOptions {
  /** `http(s)://host[:port]`; for the embedded registry any origin, with `socketPath`. */
  readonly origin: string;
  /** A Unix socket to connect to instead of the origin's address. */
  readonly socketPath?: string;
  /** PEM certificates to trust instead of the system's. */
  readonly ca?: string;
  /** The gate's own credentials; the clients' are then never passed on. */
  readonly credentials?: { readonly username: string; readonly password: string };
  /** True where clients' own Authorization headers are meant for upstream. */
  readonly passCredentials: boolean;
}

/** A manifest as upstream has it: raw bytes, hashed here. */
export interface UpstreamManifest {
  readonly kind: 'found';
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  readonly digest: Digest;
}

/** An answer of upstream that is not ours to interpret: it goes to the client as it is (401, 403, 429). */
export interface Relayed {
  readonly kind: 'relay';
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly body: Uint8Array;
}

/** Upstream took a manifest; `subject` is what its OCI-Subject header says (it keeps referrers itself). */
export interface Stored {
  readonly kind: 'stored';
  readonly subject: Digest | null;
}

export type ManifestAnswer = UpstreamManifest | { readonly kind: 'absent' } | Relayed;
export type HeadAnswer =
  { readonly kind: 'found'; readonly digest: Digest } | { readonly kind: 'absent' } | Relayed;

/** A streamed exchange with upstream. */
export interface UpstreamRequest {
  readonly method: string;
  /** Path and query, byte-exact. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Readable | Uint8Array;
  readonly signal?: AbortSignal;
  /** Milliseconds to wait for headers; uploads may take long to be finished. */
  readonly headersTimeout?: number;
}

/** The registry behind the gate. Transport trouble is thrown as UPSTREAM_UNAVAILABLE, lies as UPSTREAM_INVALID. */
export interface Upstream {
  readonly origin: string;
  manifest(path: string, reference: string, caller: Caller): Promise<ManifestAnswer>;
  /** Resolves a reference; the digest is upstream's assertion until the bytes are hashed. */
  head(path: string, reference: string, caller: Caller): Promise<HeadAnswer>;
  blob(path: string, digest: Digest, maxBytes: number, caller: Caller): Promise<Uint8Array | null>;
  /** The first `limit` tags of a repository; empty where there is none. */
  tags(path: string, limit: number, caller: Caller): Promise<readonly string[]>;
  putManifest(
    path: string,
    reference: string,
    bytes: Uint8Array,
    mediaType: string,
    caller: Caller,
  ): Promise<Stored | Relayed>;
  /** A raw exchange; the caller streams the body and must consume or destroy it. */
  exchange(request: UpstreamRequest, caller: Caller): Promise<Dispatcher.ResponseData>;
  close(): Promise<void>;
}

const HEADERS_TIMEOUT = 30_000;
const TOTAL_TIMEOUT = 60_000;
const BODY_IDLE_TIMEOUT = 120_000;
/** Headers of a refusal or rate limit that the client needs to act on. */
const RELAYED_HEADERS = [
  'www-authenticate',
  'content-type',
  'retry-after',
  'ratelimit-limit',
  'ratelimit-remaining',
  'docker-ratelimit-source',
];

/** Opens the connections to the registry behind the gate; nothing is sent yet. */
export function openUpstream(options: UpstreamOptions): Upstream {
  const pool = (connections: number): Pool =>
    new Pool(options.origin, {
      connections,
      pipelining: 1,
      headersTimeout: HEADERS_TIMEOUT,
      bodyTimeout: BODY_IDLE_TIMEOUT,
      allowH2: false,
      connect: {
        timeout: 10_000,
        ...(options.socketPath === undefined ? {} : { socketPath: options.socketPath }),
        ...(options.ca === undefined ? {} : { ca: options.ca }),
      },
    });
  // Separate pools: a hundred slow blob streams must not keep manifests waiting.
  return new HttpUpstream(options, pool(64), pool(128));
}

class HttpUpstream implements Upstream {
  readonly origin: string;
  readonly #options: UpstreamOptions;
  readonly #small: Pool;
  readonly #streams: Pool;
  readonly #own: string | null;

  constructor(options: UpstreamOptions, small: Pool, streams: Pool) {
    this.origin = options.origin;
    this.#options = options;
    this.#small = small;
    this.#streams = streams;
    const c = options.credentials;
    this.#own =
      c === undefined
        ? null
        : `Basic ${Buffer.from(`${c.username}:${c.password}`).toString('base64')}`;
  }

  #authorization(caller: Caller): Record<string, string> {
    const value = this.#own ?? (this.#options.passCredentials ? caller.authorization : null);
    return value === null ? {} : { authorization: value };
  }

  async manifest(path: string, reference: string, caller: Caller): Promise<ManifestAnswer> {
    const response = await this.#request(
      'GET',
      `/v2/${path}/manifests/${reference}`,
      { accept: MANIFEST_ACCEPT },
      caller,
    );
    if (response.statusCode !== 200) return this.#otherThan200(response);
    const bytes = await readBounded(response.body, LIMITS.manifestBytes);
    const digest = digestOf(bytes, isDigest(reference) ? algorithmOf(reference) : 'sha256');
    // What upstream claims in headers does not matter; what it sent does (T-04, T-05).
    if (isDigest(reference) && digest !== reference) {
      throw new CountersignError(
        'UPSTREAM_INVALID',
        `the registry answered ${reference.slice(0, 19)} with other bytes; nothing was served`,
      );
    }
    return {
      kind: 'found',
      bytes,
      mediaType: essence(header(response, 'content-type') ?? ''),
      digest,
    };
  }

  async head(path: string, reference: string, caller: Caller): Promise<HeadAnswer> {
    const response = await this.#request(
      'HEAD',
      `/v2/${path}/manifests/${reference}`,
      { accept: MANIFEST_ACCEPT },
      caller,
    );
    if (response.statusCode !== 200) return this.#otherThan200(response);
    await response.body.dump();
    const claimed = header(response, 'docker-content-digest');
    if (claimed !== undefined && isDigest(claimed)) return { kind: 'found', digest: claimed };
    // A registry may leave the header out: then only the bytes tell.
    return this.manifest(path, reference, caller);
  }

  async blob(
    path: string,
    digest: Digest,
    maxBytes: number,
    caller: Caller,
  ): Promise<Uint8Array | null> {
    const response = await this.#request('GET', `/v2/${path}/blobs/${digest}`, {}, caller);
    if (response.statusCode === 404) {
      await response.body.dump();
      return null;
    }
    if (response.statusCode !== 200) {
      await response.body.dump();
      throw unavailable(`answered ${response.statusCode} for a blob`);
    }
    const bytes = await readBounded(response.body, maxBytes);
    if (digestOf(bytes, algorithmOf(digest)) !== digest) {
      throw new CountersignError(
        'UPSTREAM_INVALID',
        'the registry answered a blob with other bytes',
      );
    }
    return bytes;
  }

  async tags(path: string, limit: number, caller: Caller): Promise<readonly string[]> {
    const response = await this.#request('GET', `/v2/${path}/tags/list?n=${limit}`, {}, caller);
    if (response.statusCode === 404) {
      await response.body.dump();
      return [];
    }
    if (response.statusCode !== 200) {
      await response.body.dump();
      throw unavailable(`answered ${response.statusCode} for a list of tags`);
    }
    const json = parseJson(await readBounded(response.body, LIMITS.manifestBytes), {
      maxBytes: LIMITS.manifestBytes,
    });
    const tags = json.ok && isObject(json.value) ? json.value['tags'] : undefined;
    if (!isArray(tags)) return [];
    return tags
      .filter((tag): tag is string => typeof tag === 'string' && isTag(tag))
      .slice(0, limit);
  }

  async putManifest(
    path: string,
    reference: string,
    bytes: Uint8Array,
    mediaType: string,
    caller: Caller,
  ): Promise<Stored | Relayed> {
    const response = await this.#request(
      'PUT',
      `/v2/${path}/manifests/${reference}`,
      { 'content-type': mediaType },
      caller,
      bytes,
    );
    if (response.statusCode === 201 || response.statusCode === 202) {
      await response.body.dump();
      const claimed = header(response, 'docker-content-digest');
      if (
        claimed !== undefined &&
        isDigest(claimed) &&
        claimed !== digestOf(bytes, algorithmOf(claimed))
      ) {
        throw new CountersignError(
          'UPSTREAM_INVALID',
          'the registry stored something else than was pushed',
        );
      }
      const subject = header(response, 'oci-subject');
      return {
        kind: 'stored',
        subject: subject !== undefined && isDigest(subject) ? subject : null,
      };
    }
    // A refusal of a push (a missing blob, no rights, a quota) is upstream's to explain.
    if (response.statusCode >= 400 && response.statusCode < 500) return relayed(response);
    await response.body.dump();
    throw unavailable(`answered ${response.statusCode} to a manifest push`);
  }

  async exchange(request: UpstreamRequest, caller: Caller): Promise<Dispatcher.ResponseData> {
    try {
      return await this.#streams.request({
        method: request.method as Dispatcher.HttpMethod,
        path: request.path,
        headers: { ...request.headers, ...this.#authorization(caller) },
        body: request.body ?? null,
        signal: request.signal ?? null,
        ...(request.headersTimeout === undefined ? {} : { headersTimeout: request.headersTimeout }),
      });
    } catch (error) {
      throw unavailable(messageOf(error), error);
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#small.destroy(), this.#streams.destroy()]);
  }

  async #request(
    method: 'GET' | 'HEAD' | 'PUT',
    path: string,
    headers: Record<string, string>,
    caller: Caller,
    body?: Uint8Array,
  ): Promise<Dispatcher.ResponseData> {
    try {
      // Redirects are not followed: a manifest that comes from elsewhere is none of this registry.
      return await this.#small.request({
        method,
        path,
        headers: { ...headers, 'accept-encoding': 'identity', ...this.#authorization(caller) },
        body: body ?? null,
        // Besides the idle limits: an upstream that drips bytes must not hold a decision for ever.
        signal: AbortSignal.timeout(TOTAL_TIMEOUT),
      });
    } catch (error) {
      throw unavailable(messageOf(error), error);
    }
  }

  async #otherThan200(
    response: Dispatcher.ResponseData,
  ): Promise<{ readonly kind: 'absent' } | Relayed> {
    if (response.statusCode === 404) {
      await response.body.dump();
      return { kind: 'absent' };
    }
    if (response.statusCode === 401 || response.statusCode === 403 || response.statusCode === 429)
      return relayed(response);
    await response.body.dump();
    throw unavailable(`answered ${response.statusCode} for a manifest`);
  }
}

function unavailable(why: string, cause?: unknown): CountersignError {
  return new CountersignError(
    'UPSTREAM_UNAVAILABLE',
    'the registry behind the gate could not be asked; try again',
    {
      detail: why,
      ...(cause === undefined ? {} : { cause }),
    },
  );
}

/** One value of a response header; `undefined` when absent or repeated. */
function header(response: Dispatcher.ResponseData, name: string): string | undefined {
  const value = response.headers[name];
  return typeof value === 'string' ? value : undefined;
}

async function relayed(response: Dispatcher.ResponseData): Promise<Relayed> {
  const headers: Record<string, string | string[]> = {};
  for (const name of RELAYED_HEADERS) {
    const value = response.headers[name];
    if (value !== undefined) headers[name] = value;
  }
  return {
    kind: 'relay',
    status: response.statusCode,
    headers,
    body: await readBounded(response.body, 64 * 1024),
  };
}

/** Reads a body up to a bound; a longer one is upstream's fault and is dropped, not buffered (T-59). */
async function readBounded(
  body: Dispatcher.ResponseData['body'],
  maxBytes: number,
): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBytes) {
        throw new CountersignError(
          'UPSTREAM_INVALID',
          `the registry sent more than ${maxBytes} bytes where less was expected`,
        );
      }
      chunks.push(chunk);
    }
  } catch (error) {
    body.destroy();
    if (error instanceof CountersignError) throw error;
    throw unavailable(messageOf(error), error);
  }
  return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, size);
}
