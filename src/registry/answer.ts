import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ErrorCode } from '../lib/errors.ts';
import { ERRORS } from '../lib/errors.ts';
import type { Refusal } from '../lib/result.ts';

/** Headers of an answer; several values for one that may occur more than once. */
export type Headers = Readonly<Record<string, string | readonly string[]>>;

/** What a handler answers; only {@link writeAnswer} touches the socket. */
export interface Answer {
  readonly status: number;
  readonly headers?: Headers;
  readonly body?: Buffer | StreamBody;
}

/** A body of known length that is opened only when it is sent (a HEAD never opens it). */
export interface StreamBody {
  readonly length: number;
  open(): Promise<Readable>;
}

/** Bytes of a refused request that are read and thrown away, so that the client gets to read the answer. */
const DRAIN_BYTES = 16 * 1024 * 1024;

/** The OCI error body of a refusal (distribution-spec 1.1, "Error Codes"). */
export function refusalAnswer(refusal: Refusal, headers: Headers = {}): Answer {
  const { http, oci } = ERRORS[refusal.code];
  return {
    status: http,
    headers: {
      'Content-Type': 'application/json',
      ...(http === 503 || http === 429 ? { 'Retry-After': '5' } : {}),
      ...headers,
    },
    body: Buffer.from(JSON.stringify({ errors: [{ code: oci, message: refusal.message }] })),
  };
}

/** {@link refusalAnswer} from a code and a message. */
export function errorAnswer(code: ErrorCode, message: string, headers: Headers = {}): Answer {
  return refusalAnswer({ code, message }, headers);
}

/** A JSON body. */
export function jsonAnswer(text: string, headers: Headers = {}): Answer {
  return {
    status: 200,
    headers: { 'Content-Type': 'application/json', ...headers },
    body: Buffer.from(text),
  };
}

/**
 * Sends the answer; a HEAD gets its headers alone. Throws where the body breaks off: by then the
 * connection is gone, so that a part can never pass for the whole.
 */
export async function writeAnswer(
  request: IncomingMessage,
  response: ServerResponse,
  answer: Answer,
): Promise<void> {
  const { body } = answer;
  const head = request.method === 'HEAD';
  const stream =
    body === undefined || Buffer.isBuffer(body) || head ? undefined : await body.open();
  drain(request);
  response.statusCode = answer.status;
  response.setHeader('Docker-Distribution-Api-Version', 'registry/2.0');
  response.setHeader('X-Content-Type-Options', 'nosniff');
  for (const [name, value] of Object.entries(answer.headers ?? {}))
    response.setHeader(name, typeof value === 'string' ? value : [...value]);
  if (answer.status !== 204) response.setHeader('Content-Length', body?.length ?? 0);
  if (stream !== undefined) await pipeline(stream, response);
  else if (Buffer.isBuffer(body) && !head) response.end(body);
  else response.end();
}

/** Reads what is left of a body that nobody wants, up to a bound; beyond it the connection is cut. */
function drain(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return;
  let left = DRAIN_BYTES;
  request.on('error', () => undefined);
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) request.destroy();
  });
}
