import type { Dispatcher } from 'undici';
import { CountersignError, messageOf } from '../../lib/errors.ts';
import type { Relayed } from './upstream.ts';

/** Headers of a refusal or rate limit that the client needs to act on. */
const RELAYED_HEADERS = [
  'www-authenticate',
  'content-type',
  'retry-after',
  'ratelimit-limit',
  'ratelimit-remaining',
  'docker-ratelimit-source',
];

/** The error for an upstream that could not be asked; `why` is for the log. */
export function unavailable(why: string, cause?: unknown): CountersignError {
  return new CountersignError(
    'UPSTREAM_UNAVAILABLE',
    'the registry behind the gate could not be asked; try again',
    {
      detail: why,
      ...(cause === undefined ? {} : { cause }),
    },
  );
}

/** The error for an upstream that refused (401, 403, 429, …) what a verdict needs: that is "could not find out", never "there is none" (T-57). */
export function refusedToSay({ status }: Relayed, what: string): CountersignError {
  return new CountersignError(
    'UPSTREAM_UNAVAILABLE',
    `the registry answered ${status} when asked for ${what}`,
  );
}

/** One value of a response header; `undefined` when absent or repeated. */
export function header(response: Dispatcher.ResponseData, name: string): string | undefined {
  const value = response.headers[name];
  return typeof value === 'string' ? value : undefined;
}

/** The path and query of a Location on upstream's own origin; `null` for any other: nothing of ours is sent elsewhere (T-72). */
export function ownPath(location: string | undefined, origin: string): string | null {
  if (location === undefined || !URL.canParse(location, origin)) return null;
  const url = new URL(location, origin);
  return url.host === new URL(origin).host ? `${url.pathname}${url.search}` : null;
}

/** An answer that goes to the client as it is, with the headers it needs to act on it. */
export async function relayed(
  response: Dispatcher.ResponseData,
  maxBytes = 64 * 1024,
): Promise<Relayed> {
  const headers: Record<string, string | string[]> = {};
  for (const name of RELAYED_HEADERS) {
    const value = response.headers[name];
    if (value !== undefined) headers[name] = value;
  }
  return {
    kind: 'relay',
    status: response.statusCode,
    headers,
    body: await readBounded(response.body, maxBytes),
  };
}

/** The code that clients print for an answer that is not ours (distribution-spec, "Error Codes"). */
const CODES: Readonly<Record<number, string>> = {
  401: 'UNAUTHORIZED',
  403: 'DENIED',
  404: 'BLOB_UNKNOWN',
  429: 'TOOMANYREQUESTS',
};

/** An answer to HEAD with what the client prints that asked by GET: it has no body of its own. */
export function withBody(answer: Relayed): Relayed {
  const code = CODES[answer.status] ?? 'UNKNOWN';
  const message = `the registry behind the gate answered ${answer.status}`;
  const body = Buffer.from(`${JSON.stringify({ errors: [{ code, message }] })}\n`);
  return { ...answer, headers: { ...answer.headers, 'content-type': 'application/json' }, body };
}

/** Reads a body up to a bound; a longer one is upstream's fault and is dropped, not buffered (T-59). */
export async function readBounded(
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
