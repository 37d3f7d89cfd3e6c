import { CountersignError } from '../lib/errors.ts';
import type { Json } from '../lib/json.ts';
import { parseJson } from '../lib/json.ts';
import type { Call, Exchange } from './exchange.ts';
import { essence } from './manifest.ts';
import { refusalOf } from './refusal.ts';

const API_BYTES = 8 * 1024 * 1024;

/** An answer of the API that a Countersign serves beside the registry; `body` is `undefined` where it was no JSON. */
export interface ApiAnswer {
  readonly status: number;
  readonly body: Json | undefined;
  /** The raw body, for answers that are hashed. */
  readonly bytes: Uint8Array;
  /** The Content-Type, lower case without parameters. */
  readonly mediaType: string;
}

/** One question to the API. */
export interface ApiCall {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body: Json | undefined;
  /** True where it may be sent again when the service was busy. */
  readonly repeatable: boolean;
}

/**
 * Asks the API of a Countersign on the registry's origin. Throws REQUEST_INVALID for a path outside
 * it, and the server's own refusal for 401, 403, 429 and 5xx.
 */
export function callApi(
  exchange: Exchange,
  { method, path, body, repeatable }: ApiCall,
): Promise<ApiAnswer> {
  if (!path.startsWith('/api/v1/'))
    throw new CountersignError('REQUEST_INVALID', `expected a path under /api/v1/, found ${path}`);
  const call: Call = {
    method,
    target: path,
    headers: {
      accept: 'application/json',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: Buffer.from(JSON.stringify(body)) }),
    scopes: [],
    idempotent: repeatable,
  };
  return exchange.request(call, async (answer) => {
    const { status } = answer;
    if (status === 401 || status === 403 || status === 429 || status >= 500)
      throw await refusalOf(answer, `${method} ${path.split('?', 1)[0] ?? ''}`);
    const bytes = await answer.read(API_BYTES);
    const parsed = parseJson(bytes, { maxBytes: API_BYTES });
    const mediaType = essence(answer.header('content-type') ?? '');
    return { status, body: parsed.ok ? parsed.value : undefined, bytes, mediaType };
  });
}
