import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, CountersignError } from '../lib/errors.ts';
import type { Answer } from './answer.ts';
import type { Authorizer } from './authorize.ts';
import { resolveLocation } from './origin.ts';
import type { Method, Transport } from './transport.ts';

/** How often, and after how long, an idempotent request is tried again. */
export interface Retry {
  readonly attempts: number;
  /** The first pause in milliseconds; it doubles. */
  readonly baseMs: number;
  /** A `Retry-After` longer than this is not waited for. */
  readonly maxMs: number;
}

/** Four attempts within some seconds, unless the registry says when to come back. */
export const DEFAULT_RETRY: Retry = { attempts: 4, baseMs: 250, maxMs: 20_000 };

/** A request to the registry, or to an address that it named. */
export interface Call {
  readonly method: Method;
  /** A path on the registry's origin, or an address resolved by `resolveLocation`. */
  readonly target: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Token scopes that the request needs. */
  readonly scopes: readonly string[];
  /** True where sending it twice does no harm. */
  readonly idempotent: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** An answer with the address that gave it, after redirects. */
export type Located = Answer & { readonly url: URL };

/** Requests to one registry. Both throw as its client does. */
export interface Exchange {
  /**
   * Sends with login, redirects and bounded retries; gives the answer to `consume`, which reads it.
   * A body that breaks off is retried like a request that does.
   */
  request<T>(call: Call, consume: (answer: Located) => Promise<T>): Promise<T>;
  /** Sends a streamed body once; a 401 is learnt from, so that the next attempt carries what it asked for. */
  stream(call: Omit<Call, 'body' | 'idempotent'>, body: Readable): Promise<Located>;
}

const RETRYABLE = new Set([429, 500, 502, 503, 504]);
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const MAX_REDIRECTS = 5;

/** Makes the exchange with one registry. */
export function createExchange(options: {
  readonly transport: Transport;
  readonly authorizer: Authorizer;
  readonly origin: () => Promise<URL>;
  readonly retry: Retry;
  readonly signal?: AbortSignal | undefined;
}): Exchange {
  const { transport, authorizer, retry } = options;

  const signalOf = (call: {
    readonly signal?: AbortSignal | undefined;
  }): AbortSignal | undefined => {
    if (call.signal === undefined || options.signal === undefined)
      return call.signal ?? options.signal;
    return AbortSignal.any([call.signal, options.signal]);
  };

  // Credentials go to the registry's own origin and nowhere else (T-72: a Location, a redirect).
  const authorization = async (url: URL, scopes: readonly string[]): Promise<string | undefined> =>
    url.origin === (await options.origin()).origin ? authorizer.header(scopes) : undefined;

  const sendOnce = async (
    call: Omit<Call, 'body' | 'idempotent'>,
    url: URL,
    body: Uint8Array | Readable | undefined,
  ): Promise<{ answer: Answer; sent: string | undefined }> => {
    const sent = await authorization(url, call.scopes);
    const answer = await transport.send({
      method: call.method,
      url,
      headers: { ...call.headers, ...(sent === undefined ? {} : { authorization: sent }) },
      ...(body === undefined ? {} : { body }),
      signal: signalOf(call),
    });
    return { answer, sent };
  };

  const sendAuthorized = async (call: Call, url: URL): Promise<Answer> => {
    const { answer, sent } = await sendOnce(call, url, call.body);
    if (answer.status !== 401 || url.origin !== (await options.origin()).origin) return answer;
    if (!(await authorizer.learn(answer, call.scopes, sent))) return answer;
    await answer.drain();
    return (await sendOnce(call, url, call.body)).answer;
  };

  const sendFollowing = async (call: Call): Promise<Located> => {
    let url = await targetUrl(call.target);
    for (let hops = 0; ; hops++) {
      const answer = await sendAuthorized(call, url);
      const location = answer.header('location');
      const follows = call.method === 'GET' || call.method === 'HEAD';
      if (!follows || !REDIRECTS.has(answer.status) || location === undefined)
        return { ...answer, url };
      await answer.drain();
      if (hops === MAX_REDIRECTS) {
        throw new CountersignError(
          'UPSTREAM_INVALID',
          `expected at most ${MAX_REDIRECTS} redirects from ${url.host}, found more`,
        );
      }
      url = resolveLocation(location, url);
    }
  };

  const targetUrl = async (target: string | URL): Promise<URL> =>
    typeof target === 'string' ? new URL(target, await options.origin()) : target;

  return {
    async request(call, consume) {
      for (let attempt = 1; ; attempt++) {
        let last = !call.idempotent || attempt >= retry.attempts;
        let pause = backoff(retry, attempt);
        try {
          const answer = await sendFollowing(call);
          const asked = retryAfter(answer.header('retry-after')) ?? 0;
          // A server that asks for a long pause is told to the person rather than waited for.
          const retryable = RETRYABLE.has(answer.status);
          last ||= retryable && asked > retry.maxMs;
          if (last || !retryable) return await consume(answer);
          pause = Math.max(pause, asked);
          await answer.drain();
        } catch (error) {
          if (last || codeOf(error) !== 'UPSTREAM_UNAVAILABLE') throw error;
        }
        await sleep(pause, undefined, { signal: signalOf(call) }).catch(() => undefined);
        signalOf(call)?.throwIfAborted();
      }
    },
    async stream(call, body) {
      const url = await targetUrl(call.target);
      const { answer, sent } = await sendOnce(call, url, body);
      if (answer.status === 401 && url.origin === (await options.origin()).origin)
        await authorizer.learn(answer, call.scopes, sent);
      return { ...answer, url };
    },
  };
}

/** The pause before another attempt: doubling, with a jitter so that many clients do not come back at once. */
export function backoff(retry: Retry, attempt: number): number {
  return Math.min(retry.maxMs, retry.baseMs * 2 ** (attempt - 1)) * (0.75 + Math.random() / 2);
}

/** Milliseconds of a `Retry-After` (RFC 9110 section 10.2.3): seconds or a date. */
function retryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (/^[0-9]{1,6}$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}
