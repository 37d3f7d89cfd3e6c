import type { Dispatcher, Pool } from 'undici';
import { unavailable } from './answer.ts';
import { noAnswer } from './failure.ts';
import { openPool } from './pools.ts';
import type { Endpoint } from './upstream.ts';

const CONNECTIONS = 64;
/** Request headers that mean something to a storage; never Authorization (T-72): the address is signed. */
const SENT = new Set(['accept-encoding', 'range', 'if-none-match', 'if-modified-since']);
/** Of its answer, what belongs to the content. */
const KEPT = new Set([
  'accept-ranges',
  'content-length',
  'content-range',
  'content-type',
  'etag',
  'last-modified',
]);

/** The hosts that upstream keeps blobs on, as far as the configuration names them (rule 11). */
export class Storage {
  readonly #pools: ReadonlyMap<string, Pool>;

  constructor(endpoints: readonly Endpoint[]) {
    this.#pools = new Map(
      endpoints.map(({ url, tls }) => [
        url.origin,
        openPool({ origin: url.origin, tls }, CONNECTIONS),
      ]),
    );
  }

  /** True for an origin that the configuration names. */
  has(origin: string): boolean {
    return this.#pools.has(origin);
  }

  /**
   * Asks a named origin for what upstream has there; further redirects stay the caller's to follow.
   * Throws UPSTREAM_UNAVAILABLE for any answer that is no content: it is upstream's word against its storage's.
   */
  async read(
    url: URL,
    method: 'GET' | 'HEAD',
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal | null,
  ): Promise<Dispatcher.ResponseData> {
    const pool = this.#pools.get(url.origin);
    if (pool === undefined) throw unavailable(`redirects to ${url.origin}, which is no storage`);
    let response: Dispatcher.ResponseData;
    try {
      response = await pool.request({
        method,
        path: `${url.pathname}${url.search}`,
        headers: Object.fromEntries(Object.entries(headers).filter(([name]) => SENT.has(name))),
        signal,
      });
    } catch (error) {
      throw noAnswer(error, url.host);
    }
    if (isRedirect(response.statusCode)) return response;
    if (![200, 206, 304, 416].includes(response.statusCode)) {
      await response.body.dump();
      throw unavailable(`the storage ${url.origin} answered ${response.statusCode}`);
    }
    for (const name of Object.keys(response.headers))
      if (!KEPT.has(name)) Reflect.deleteProperty(response.headers, name);
    return response;
  }

  /** Drops all connections. */
  async close(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()));
  }
}

/** True for an answer that sends the client elsewhere. */
export const isRedirect = (status: number): boolean => [301, 302, 303, 307, 308].includes(status);
