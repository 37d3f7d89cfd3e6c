import { STATUS_CODES } from 'node:http';
import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { Pool } from 'undici';
import { CountersignError, messageOf } from '../lib/errors.ts';
import type { TlsLookup } from './tls.ts';
import { isLoopbackHost, tlsConnect } from './tls.ts';

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

/** An answer whose body is not yet read; whoever gets one calls `read` or `drain`. */
export interface Answer {
  readonly status: number;
  /** The reason phrase where it differs from the usual ones, else empty. */
  readonly reasonPhrase: string;
  /** Host (with port) that answered, for messages. */
  readonly host: string;
  /** The value of a header (the first, where it came twice); `undefined` where it is absent. */
  header(name: string): string | undefined;
  /**
   * Reads the body into memory. Throws UPSTREAM_INVALID for more than `maxBytes` whatever its headers
   * say, and for an encoded one, whose bytes are not the content's; UPSTREAM_UNAVAILABLE where it breaks off.
   */
  read(maxBytes: number): Promise<Buffer>;
  /** Drops the body, keeping the connection where it is short. */
  drain(): Promise<void>;
}

/** Sends requests and nothing more: no login, redirect or retry. */
export interface Transport {
  /** Sends one request; any status is an answer. Throws UPSTREAM_UNAVAILABLE where none came. */
  send(request: WireRequest): Promise<Answer>;
  close(): Promise<void>;
}

const CONNECTIONS = 8;
const MAX_ORIGINS = 16;
const DRAIN_BYTES = 64 * 1024;

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

function toAnswer(raw: Dispatcher.ResponseData, url: URL, signal: AbortSignal | undefined): Answer {
  const header = (name: string): string | undefined => {
    const value = raw.headers[name];
    return Array.isArray(value) ? value[0] : value;
  };
  const { body } = raw;
  return {
    status: raw.statusCode,
    reasonPhrase: raw.statusText === STATUS_CODES[raw.statusCode] ? '' : raw.statusText,
    host: url.host,
    header,
    async read(maxBytes) {
      try {
        const encoding = header('content-encoding') ?? 'identity';
        if (encoding.toLowerCase() !== 'identity') {
          throw invalid(`expected ${url.host} to send content unencoded, found ${encoding}`);
        }
        const chunks: Buffer[] = [];
        let size = 0;
        for await (const chunk of body as AsyncIterable<Buffer>) {
          size += chunk.byteLength;
          if (size > maxBytes) {
            throw invalid(`expected at most ${maxBytes} bytes from ${url.host}, found more`);
          }
          chunks.push(chunk);
        }
        return Buffer.concat(chunks, size);
      } catch (error) {
        body.on('error', () => {});
        body.destroy();
        throw unreachable(error, url, signal);
      }
    },
    async drain() {
      // A body that breaks off while it is thrown away is of no interest to anybody.
      await body.dump({ limit: DRAIN_BYTES }).catch(() => undefined);
    },
  };
}

const invalid = (message: string): CountersignError =>
  new CountersignError('UPSTREAM_INVALID', message);

/** The error for a request that got no answer; what was aborted stays an abort. */
function unreachable(error: unknown, url: URL, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted === true) return signal.reason;
  if (error instanceof CountersignError) return error;
  return new CountersignError('UPSTREAM_UNAVAILABLE', `${url.host} ${explain(error, url)}`, {
    cause: error,
  });
}

function explain(error: unknown, url: URL): string {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (/CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS_CERT/.test(code)) {
    return `showed a certificate that is not trusted (${code}): pass --ca FILE, or put its authority into /etc/docker/certs.d/${url.host}/ca.crt`;
  }
  switch (code) {
    case 'ECONNREFUSED':
      return 'refused the connection: is the registry running there?';
    case 'ENOTFOUND':
      return url.hostname.endsWith('.docker.io')
        ? 'is not a host that the resolver knows; images without a host are those of Docker Hub, others are written HOST/NAME:TAG'
        : 'is not a host that the resolver knows';
    case 'EPROTO':
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
      return 'does not speak TLS';
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'UND_ERR_HEADERS_TIMEOUT':
    case 'UND_ERR_BODY_TIMEOUT':
      return 'did not answer in time';
    case 'UND_ERR_SOCKET':
    case 'ECONNRESET':
    case 'EPIPE':
      return 'broke the connection';
    default:
      return `could not be asked: ${messageOf(error)}`;
  }
}
