import { Pool } from 'undici';
import type { Dispatcher } from 'undici';
import { CountersignError, messageOf } from '../lib/errors.ts';
import { isArray, isObject, parseJson } from '../lib/json.ts';
import { LIMITS } from '../lib/limits.ts';
import type { Digest } from '../oci/digest.ts';
import { algorithmOf, digestOf, isDigest } from '../oci/digest.ts';
import { essence } from '../oci/manifest.ts';
import { MANIFEST_ACCEPT, MEDIA } from '../oci/media-types.ts';
import { isTag } from '../oci/reference.ts';
import type { Caller } from './caller.ts';
import { header, ownPath, readBounded, relayed, unavailable } from './upstream-answer.ts';
import type {
  HeadAnswer,
  ManifestAnswer,
  Relayed,
  Stored,
  Upstream,
  UpstreamOptions,
  UpstreamRequest,
} from './upstream.ts';

const HEADERS_TIMEOUT = 30_000;
const TOTAL_TIMEOUT = 60_000;
const BODY_IDLE_TIMEOUT = 120_000;

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
    if (response.statusCode >= 400 && response.statusCode < 500) return this.#relayed(response);
    await response.body.dump();
    throw unavailable(`answered ${response.statusCode} to a manifest push`);
  }

  async putBlob(path: string, digest: Digest, bytes: Uint8Array, caller: Caller): Promise<void> {
    const started = await this.#request('POST', `/v2/${path}/blobs/uploads/`, {}, caller);
    await started.body.dump();
    const location = ownPath(header(started, 'location'), this.origin);
    if (started.statusCode !== 202 || location === null) {
      throw unavailable(`answered ${started.statusCode} when asked for an upload`);
    }
    const target = `${location}${location.includes('?') ? '&' : '?'}digest=${encodeURIComponent(digest)}`;
    const type = { 'content-type': MEDIA.octets };
    const done = await this.#request('PUT', target, type, caller, bytes);
    await done.body.dump();
    if (done.statusCode !== 201) throw unavailable(`answered ${done.statusCode} to a blob`);
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
    method: 'GET' | 'HEAD' | 'PUT' | 'POST',
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

  /** An answer for the client to act on. Where the gate answers for itself, upstream asks the gate and not the client to log in. */
  async #relayed(response: Dispatcher.ResponseData): Promise<Relayed> {
    if (this.#options.passCredentials || response.statusCode !== 401) return relayed(response);
    await response.body.dump();
    throw unavailable('answered 401: it does not take the credentials of the gate');
  }

  async #otherThan200(
    response: Dispatcher.ResponseData,
  ): Promise<{ readonly kind: 'absent' } | Relayed> {
    if (response.statusCode === 404) {
      await response.body.dump();
      return { kind: 'absent' };
    }
    if (response.statusCode === 401 || response.statusCode === 403 || response.statusCode === 429)
      return this.#relayed(response);
    await response.body.dump();
    throw unavailable(`answered ${response.statusCode} for a manifest`);
  }
}
