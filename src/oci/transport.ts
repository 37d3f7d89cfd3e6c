import type { Readable } from 'node:stream';
import { Pool } from 'undici';
import { CountersignError } from '../lib/errors.ts';
import type { Answer } from './answer.ts';
import { toAnswer } from './answer.ts';
import type { TlsLookup } from './tls.ts';
import { isLoopbackHost, tlsConnect } from './tls.ts';
import { unreachable } from './unreachable.ts';

/** How long each step of a request may take, in milliseconds; idle time, never the whole of a transfer. */
export interface Timeouts {
  readonly connect: number;
  /** Until the answer's headers, for requests without a large body. */
  readonly headers: number;
  /** Between two pieces of an answer's body. */
  readonly body: number;
  /** Until the answer to an upload, counted from its last byte: registries hash and copy before they answer. */
  readonly upload: number;
}

/** For registries that are slow, not for those that are gone. */
export const DEFAULT_TIMEOUTS: Timeouts = {
  connect: 10_000,
  headers: 60_000,
  body: 60_000,
  upload: 600_000,
};

/** The methods of the distribution API. */
export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** One HTTP request, as it goes over the wire. */
export interface WireRequest {
  readonly method: Method;
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | Readable;
  readonly signal?: AbortSignal | undefined;
}

/** Sends requests and nothing more: no login, redirect or retry. */
export interface Transport {
  /** Sends one request; any status is an answer. Throws UPSTREAM_UNAVAILABLE where none came. */
  send(request: WireRequest): Promise<Answer>;
  close(): Promise<void>;
}

const CONNECTIONS = 8;
const MAX_ORIGINS = 16;

/**
 * Connections to registries and to the few other origins they name, one pool each. Certificates are
 * verified but for loopback hosts without an explicit authority (docker's own rule).
 */
export function createTransport(options: {
  readonly tls: TlsLookup;
  readonly timeouts: Timeouts;
  readonly userAgent: string;
}): Transport {
  const pools = new Map<string, Promise<Pool>>();
  const { timeouts } = options;

  const openPool = async (url: URL): Promise<Pool> => {
    const secure = url.protocol === 'https:';
    const material = secure ? await options.tls(url.host) : undefined;
    return new Pool(url.origin, {
      connections: CONNECTIONS,
      pipelining: 1,
      // The reason phrase carries a gate's refusal of a HEAD, and HTTP/2 has none.
      allowH2: false,
      headersTimeout: timeouts.headers,
      bodyTimeout: timeouts.body,
      connect: {
        timeout: timeouts.connect,
        ...(material === undefined
          ? {}
          : tlsConnect(material, material.explicit || !isLoopbackHost(url.host))),
      },
    });
  };

  const poolFor = (url: URL): Promise<Pool> => {
    const known = pools.get(url.origin);
    if (known !== undefined) return known;
    if (pools.size >= MAX_ORIGINS) {
      throw new CountersignError(
        'UPSTREAM_INVALID',
        `expected at most ${MAX_ORIGINS} hosts behind one registry, found more`,
      );
    }
    const opening = openPool(url);
    pools.set(url.origin, opening);
    opening.catch(() => pools.delete(url.origin));
    return opening;
  };

  return {
    async send(request) {
      const { url, signal } = request;
      signal?.throwIfAborted();
      const pool = await poolFor(url);
      const streamed = request.body !== undefined && !(request.body instanceof Uint8Array);
      try {
        const answer = await pool.request({
          method: request.method,
          path: url.pathname + url.search,
          headers: {
            'user-agent': options.userAgent,
            // Hashes are taken over the bytes as stored, so no encoding may come between.
            'accept-encoding': 'identity',
            ...request.headers,
          },
          body: request.body ?? null,
          signal: signal ?? null,
          headersTimeout: streamed || request.method === 'PUT' ? timeouts.upload : timeouts.headers,
        });
        return toAnswer(answer, url, signal);
      } catch (error) {
        throw unreachable(error, url, signal);
      }
    },
    async close() {
      const opened = [...pools.values()];
      pools.clear();
      // A pool that could not be opened has nothing to close.
      await Promise.allSettled(opened.map(async (pool) => (await pool).destroy()));
    },
  };
}
