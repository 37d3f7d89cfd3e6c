import type { Dispatcher, Pool } from 'undici';
import { messageOf } from '../../lib/errors.ts';
import type { Caller } from '../caller.ts';
import { relayed, unavailable } from '../upstream-answer.ts';
import type { Relayed, UpstreamOptions, UpstreamRequest } from '../upstream.ts';
import { openPool } from './pools.ts';

const TOTAL_TIMEOUT = 60_000;

/** One request of the gate itself: small, read or sent whole. */
export interface Ask {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST';
  /** Path and query on upstream's origin. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly caller: Caller;
  readonly body?: Uint8Array;
}

/** The connections to one registry, and what its requests are authorised with. */
export class Wire {
  readonly origin: string;
  readonly #options: UpstreamOptions;
  readonly #small: Pool;
  readonly #streams: Pool;
  readonly #own: string | null;

  constructor(options: UpstreamOptions) {
    this.origin = options.origin;
    this.#options = options;
    // Separate pools: a hundred slow blob streams must not keep manifests waiting.
    this.#small = openPool(options, 64);
    this.#streams = openPool(options, 128);
    const c = options.credentials;
    this.#own =
      c === undefined
        ? null
        : `Basic ${Buffer.from(`${c.username}:${c.password}`).toString('base64')}`;
  }

  /** Sends a request and gives the answer, whatever its status. Throws UPSTREAM_UNAVAILABLE where none came. */
  async ask({ method, path, headers, caller, body }: Ask): Promise<Dispatcher.ResponseData> {
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

  /** Sends a request that streams; the caller consumes or destroys the answer's body. */
  async stream(request: UpstreamRequest, caller: Caller): Promise<Dispatcher.ResponseData> {
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

  /** An answer for the client to act on. Where the gate answers for itself, upstream asks the gate and not the client to log in. */
  async relayed(response: Dispatcher.ResponseData): Promise<Relayed> {
    if (this.#options.passCredentials || response.statusCode !== 401) return relayed(response);
    await response.body.dump();
    throw unavailable('answered 401: it does not take the credentials of the gate');
  }

  /** Drops all connections. */
  async close(): Promise<void> {
    await Promise.all([this.#small.destroy(), this.#streams.destroy()]);
  }

  #authorization(caller: Caller): Record<string, string> {
    const value = this.#own ?? (this.#options.passCredentials ? caller.authorization : null);
    return value === null ? {} : { authorization: value };
  }
}
