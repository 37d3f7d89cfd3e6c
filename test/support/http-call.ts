import type { IncomingHttpHeaders } from 'node:http';
import { Agent, request } from 'node:http';
import { Readable } from 'node:stream';

/** What one call sends besides its method and address. */
export interface CallOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes go with a Content-Length, an iterable goes chunked. */
  readonly body?: Uint8Array | AsyncIterable<Uint8Array> | string;
  /** To send several calls over one connection. */
  readonly agent?: Agent;
}

/** An answer, read whole. */
export interface Called {
  readonly status: number;
  /** The reason phrase of HTTP/1.1. */
  readonly reason: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
  /** The first code of an OCI error body, if it is one. */
  readonly code: string | undefined;
}

/**
 * Sends one request with the target exactly as written (a URL parser would tidy `..` and `//` away)
 * and reads the whole answer. Throws where the connection breaks.
 */
export function call(
  base: string,
  method: string,
  target: string,
  options: CallOptions = {},
): Promise<Called> {
  const { hostname, port } = new URL(base);
  const { body, headers } = options;
  // A connection of its own, for one that is kept from an earlier call may be closing at this very
  // moment; kept alive all the same, for a refusal in the middle of a body must reach the client.
  const own = new Agent({ keepAlive: true });
  const agent = options.agent ?? own;
  return new Promise<Called>((resolve, reject) => {
    const sent = request(
      { agent, hostname, port, method, path: target, headers: { ...headers } },
      (answer) => {
        const parts: Buffer[] = [];
        answer.on('data', (part: Buffer) => parts.push(part));
        answer.on('error', reject);
        answer.on('end', () => {
          const bytes = Buffer.concat(parts);
          const text = bytes.toString();
          const { statusCode: status = 0, statusMessage: reason = '', headers: received } = answer;
          resolve({ status, reason, headers: received, body: bytes, text, code: codeOf(text) });
        });
      },
    );
    sent.on('error', reject);
    if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) {
      if (body !== undefined) sent.setHeader('Content-Length', Buffer.byteLength(body));
      sent.end(body);
    } else {
      const source = Readable.from(body);
      source.on('error', (error) => sent.destroy(error));
      source.pipe(sent);
    }
  }).finally(() => {
    own.destroy();
  });
}

function codeOf(text: string): string | undefined {
  const found = /^\{"errors":\[\{"code":"([A-Z_]+)"/.exec(text);
  return found?.[1];
}
