import { Readable } from 'node:stream';
import type { Dispatcher, Pool } from 'undici';
import type { Caller } from '../access/caller.ts';
import { header, ownPath, unavailable } from './answer.ts';
import type { PooledRequest } from './authorised.ts';
import { Authorised } from './authorised.ts';
import type { BlobStream } from './blob-connection.ts';
import { BlobStreams } from './blob-streams.ts';
import { Complaints } from './complaints.ts';
import { openPool } from './pools.ts';
import { RateLimits } from './rate-limits.ts';
import { readsBlob } from './scopes.ts';
import { isRedirect, Storage } from './storage.ts';
import type { Sender } from './uploads.ts';
import { openUploads } from './uploads.ts';
import type { TokenServer, UpstreamOptions, UpstreamRequest } from './upstream.ts';

const TOTAL_TIMEOUT = 60_000;
const MAX_HOPS = 3;

/** One request of the gate itself: small, read or sent whole. */
export interface Ask {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST';
  /** Path and query on upstream's origin. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly caller: Caller;
  readonly body?: Uint8Array;
}

/** The connections to one registry and to its storage, and where its redirects may lead. */
export class Wire {
  readonly origin: string;
  readonly limits = new RateLimits();
  readonly #storage: Storage;
  readonly #small: Pool;
  readonly #streams: Pool;
  readonly #answers: Pool;
  readonly #uploads: Sender | null;
  readonly #authorised: Authorised;
  readonly #blobs: BlobStreams;
  readonly #complaints: Complaints;

  constructor(options: UpstreamOptions) {
    this.origin = options.origin;
    // Separate pools: a hundred slow blob streams must not keep manifests waiting, nor the ping that
    // every client begins with, lists and the starts of uploads (T-70).
    this.#small = openPool(options, 64);
    this.#streams = openPool(options, 128);
    this.#answers = openPool(options, 64);
    this.#uploads = openUploads(options);
    this.#storage = new Storage(options.storage ?? []);
    this.#authorised = new Authorised(options);
    this.#blobs = new BlobStreams(options);
    this.#complaints = new Complaints(options.log, options.origin);
  }

  /** See {@link Upstream.tokenServer}. */
  get tokenServer(): TokenServer | null {
    return this.#authorised.tokenServer;
  }

  /** See {@link Upstream.isStorage}. */
  isStorage(origin: string): boolean {
    return this.#storage.has(origin);
  }

  /**
   * Sends a request and gives the answer, whatever its status. Throws UPSTREAM_UNAVAILABLE where none
   * came, and for a 401 that is meant for the gate. Redirects of reads are followed on upstream's own
   * origin, those of blobs also to its storage: a manifest from elsewhere is none of this registry.
   */
  async ask(ask: Ask): Promise<Dispatcher.ResponseData> {
    try {
      const response = await this.#ask(ask);
      this.limits.learn(ask.caller, response.headers);
      return response;
    } catch (error) {
      throw this.#complaints.about(error);
    }
  }

  async #ask({ method, path, headers, caller, body }: Ask): Promise<Dispatcher.ResponseData> {
    const request: PooledRequest = {
      pool: this.#small,
      method,
      path,
      headers: { ...headers, 'accept-encoding': 'identity' },
      ...(body === undefined ? {} : { body }),
      // Besides the idle limits: an upstream that drips bytes must not hold a decision for ever.
      signal: AbortSignal.timeout(TOTAL_TIMEOUT),
    };
    const response = await this.#authorised.send(request, caller);
    if ((method !== 'GET' && method !== 'HEAD') || !isRedirect(response.statusCode))
      return response;
    const end = await this.#follow(request, response, caller);
    if (!isRedirect(end.statusCode)) return end;
    await end.body.dump();
    const to = JSON.stringify(locationOf(end).slice(0, 200));
    const advice = readsBlob(method, path)
      ? '; if it keeps its blobs there, name it as storage'
      : '';
    throw unavailable(`redirects to ${to}, where the gate does not go${advice}`);
  }

  /**
   * Sends a request that streams; the caller consumes or destroys the answer's body. A read of a blob
   * is followed on upstream's own origin and to the configured storage; any other redirect is an
   * answer like others.
   */
  async stream(given: UpstreamRequest, caller: Caller): Promise<Dispatcher.ResponseData> {
    const { method, path, body } = given;
    const isLong = body !== undefined || (method === 'GET' && readsBlob(method, path));
    const pool = isLong ? this.#streams : this.#answers;
    const uploads = body instanceof Readable ? this.#uploads : null;
    const request: PooledRequest = { ...given, pool: uploads ?? pool };
    try {
      const response = await this.#authorised.send(request, caller);
      const follow = isRedirect(response.statusCode) && readsBlob(method, path);
      return follow ? await this.#follow(request, response, caller) : response;
    } catch (error) {
      throw senderGone(given) ? error : this.#complaints.about(error);
    }
  }

  /** See {@link Upstream.blobStream}. */
  async blobStream(request: UpstreamRequest, caller: Caller): Promise<BlobStream | null> {
    const { method, path, headers, signal } = request;
    const authorization = this.#authorised.fixed(caller);
    if (method !== 'GET' || !readsBlob(method, path) || signal === undefined) return null;
    if (authorization === undefined) return null;
    const all = authorization === null ? headers : { ...headers, authorization };
    return this.#blobs.get(path, all, signal);
  }

  /** Drops all connections. */
  async close(): Promise<void> {
    this.#blobs.close();
    const pools = [this.#small, this.#streams, this.#answers].map((pool) => pool.destroy());
    await this.#uploads?.destroy();
    await Promise.all([...pools, this.#storage.close(), this.#authorised.close()]);
  }

  /** Follows redirects as far as they lead to hosts that the configuration names; gives the last answer. */
  async #follow(
    request: PooledRequest,
    first: Dispatcher.ResponseData,
    caller: Caller,
  ): Promise<Dispatcher.ResponseData> {
    const method = request.method === 'HEAD' ? 'HEAD' : 'GET';
    const blob = readsBlob(method, request.path);
    let response = first;
    let at = new URL(request.path, this.origin);
    for (let hops = 0; hops < MAX_HOPS && isRedirect(response.statusCode); hops++) {
      const location = locationOf(response);
      if (!URL.canParse(location, at.href)) return response;
      const to = new URL(location, at.href);
      // From a storage back to upstream is not followed: nothing of ours is sent after a stranger's word.
      const own = at.origin === this.origin ? ownPath(location, at.href) : null;
      if (own === null && !(blob && this.#storage.has(to.origin))) return response;
      await response.body.dump();
      response =
        own === null
          ? await this.#storage.read(to, method, request.headers, request.signal ?? null)
          : await this.#authorised.send({ ...request, path: own }, caller);
      at = own === null ? to : new URL(own, this.origin);
    }
    return response;
  }
}

const locationOf = (response: Dispatcher.ResponseData): string =>
  header(response, 'location') ?? '';

/** True where who sends the request went away: what fails then is no trouble of upstream's. A time that ran out is. */
function senderGone({ signal, body }: UpstreamRequest): boolean {
  if (body instanceof Readable && body.errored !== null) return true;
  return signal?.aborted === true && (signal.reason as Error).name === 'AbortError';
}
