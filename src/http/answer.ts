import type { ServerResponse } from 'node:http';
import type { ErrorCode } from '../lib/errors.ts';
import { ERRORS } from '../lib/errors.ts';
import type { Refused } from '../gate/outcome.ts';
import type { Relayed } from '../gate/upstream/upstream.ts';

/** Printable ASCII on one line: what may stand in a status line and in a terminal. */
export function printable(text: string, most: number): string {
  return text.replace(/[^\x20-\x7e]+/g, ' ').slice(0, most);
}

/** The value of a Warning header (distribution-spec, "Warnings"): ten of them stay under its 4096 bytes. */
export function warningHeader(text: string): string {
  return `299 - "${printable(text, 300).replace(/["\\]/g, "'")}"`;
}

/** The body of an OCI error (distribution-spec, "Error Codes"): one error, no detail object (crane and oras print it raw). */
export function errorBody(code: ErrorCode, message: string): string {
  return `${JSON.stringify({ errors: [{ code: ERRORS[code].oci, message: printable(message, 400) }] })}\n`;
}

/**
 * Sends a refusal: status of the table, OCI body, and the message as HTTP/1.1 reason phrase, which is
 * all that containerd shows.
 */
export function sendRefusal(
  response: ServerResponse,
  refusal: Refused,
  headers: Readonly<Record<string, string>> = {},
): void {
  const status = refusal.status ?? ERRORS[refusal.code].http;
  const body = errorBody(refusal.code, refusal.message);
  const retry =
    refusal.retryAfter !== undefined && status === 503
      ? { 'retry-after': String(refusal.retryAfter) }
      : {};
  response.writeHead(status, printable(refusal.message, 200), {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    // A shared cache must not keep a verdict.
    'cache-control': 'no-store',
    ...retry,
    ...headers,
  });
  response.end(body);
}

/** Sends upstream's own answer on. */
export function sendRelayed(response: ServerResponse, relayed: Relayed): void {
  response.writeHead(relayed.status, {
    ...relayed.headers,
    'content-length': relayed.body.byteLength,
  });
  response.end(relayed.body);
}
