import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Caller } from '../gate/access/caller.ts';
import type { Relaying } from './relayed-headers.ts';
import { refuseForeign, relayedHeaders } from './relayed-headers.ts';

/** Request headers that mean something to a registry; all others stay here (T-30, T-36). */
const FORWARDED = [
  'accept',
  'content-length',
  'content-range',
  'content-type',
  'range',
  'if-none-match',
];
/** How a streamed exchange went. */
export interface RelayResult {
  readonly status: number;
}

/** Where an exchange is to go. */
export interface RelayTarget extends Relaying {
  /** Path and query for upstream, byte-exact. */
  readonly path: string;
  readonly caller: Caller;
  /** True to stream the request's body on. */
  readonly body: boolean;
}

/**
 * Streams a request to upstream and the answer back, with back-pressure both ways and nothing
 * buffered. A failure before the headers is thrown; one after them destroys the client's connection,
 * so that a cut body is never taken for a whole one.
 */
export async function relay(
  request: IncomingMessage,
  response: ServerResponse,
  target: RelayTarget,
): Promise<RelayResult> {
  const abort = new AbortController();
  const gone = (): void => {
    if (!response.writableFinished) abort.abort();
  };
  response.once('close', gone);
  try {
    const headers: Record<string, string> = { 'accept-encoding': 'identity' };
    for (const name of FORWARDED) {
      const value = request.headers[name];
      if (typeof value === 'string') headers[name] = value;
    }
    if (!target.body) delete headers['content-length'];
    const asked = {
      method: target.method,
      path: target.path,
      headers,
      signal: abort.signal,
      // A registry may hash and move gigabytes before it answers the last PUT.
      headersTimeout: 600_000,
      ...(target.body ? { body: request } : {}),
    };
    const { upstream } = target.registry;
    const stream = target.body ? null : await upstream.blobStream(asked, target.caller);
    if (stream !== null) {
      const { statusCode } = stream.head;
      response.writeHead(statusCode, relayedHeaders(stream.head, target));
      await stream.pump(response);
      return { status: statusCode };
    }
    const answer = await upstream.exchange(asked, target.caller);
    try {
      refuseForeign(answer, target);
      response.writeHead(answer.statusCode, relayedHeaders(answer, target));
    } catch (error) {
      // A body that nobody reads would keep its connection from everybody else.
      await answer.body.dump();
      throw error;
    }
    try {
      await pipeline(answer.body, response);
    } catch {
      response.destroy();
    }
    return { status: answer.statusCode };
  } finally {
    response.off('close', gone);
  }
}
