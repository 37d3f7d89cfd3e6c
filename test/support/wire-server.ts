import { once } from 'node:events';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { CredentialSource } from '../../src/oci/credentials.ts';
import { MEDIA } from '../../src/oci/media-types.ts';
import { loopbackPort } from './loopback-port.ts';

/** A server whose every answer a test writes itself: for registries that lie, stall, break off or forget. */
export interface WireServer {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly url: string;
  /** What was asked, in order: `METHOD /path?query`, with the headers. */
  readonly seen: readonly SeenRequest[];
  stop(): Promise<void>;
}

/** One request as it arrived. */
export interface SeenRequest {
  readonly line: string;
  readonly headers: IncomingMessage['headers'];
}

/**
 * Starts a plain HTTP server. The ping `GET /v2/` that a client sends to find the scheme is answered
 * with 200 and not noted.
 */
export async function startWireServer(
  handle: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>,
): Promise<WireServer> {
  const seen: SeenRequest[] = [];
  const listener: RequestListener = (request, response) => {
    if (request.url === '/v2/' && request.method === 'GET') {
      response.end('{}');
      return;
    }
    seen.push({ line: `${request.method} ${request.url}`, headers: request.headers });
    Promise.resolve(handle(request, response)).catch(() => response.destroy());
  };
  const server = createServer(listener);
  const port = await loopbackPort(server);
  const host = `127.0.0.1:${port}`;
  return {
    host,
    url: `http://${host}`,
    seen,
    stop: async () => {
      if (!server.listening) return;
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Reads a request's body to its end. */
export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Answers with an OCI error body (distribution-spec, "Error Codes"). */
export function answerError(
  response: ServerResponse,
  status: number,
  code: string,
  message: string,
  detail?: unknown,
): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ errors: [{ code, message, detail }] }));
}

/** A manifest for tests that look at the wire and not at what is in it. */
export const MANIFEST = Buffer.from('{"schemaVersion":2}');

/** Answers a request for a manifest. */
export function giveManifest(response: ServerResponse, bytes: Uint8Array = MANIFEST): void {
  response.writeHead(200, { 'content-type': `${MEDIA.ociManifest}; charset=utf-8` });
  response.end(bytes);
}

/** The login that tests use. */
export const password: CredentialSource = () =>
  Promise.resolve({ kind: 'password', username: 'alice', password: 'secret' });
