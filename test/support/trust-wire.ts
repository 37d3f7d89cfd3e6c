import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { request as requestPlain } from 'node:http';
import { createServer, request as requestTls } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { TestAuthority } from './certificates.ts';
import { bodyOf } from './wire-server.ts';

/** One request as it crossed the wire. */
export interface SeenCall {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  /** The roles that an upload's parts are named after; empty for anything else. */
  readonly parts: readonly string[];
  readonly status: number;
}

/** What a test answers in the server's place. */
export interface OwnAnswer {
  readonly status?: number;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: Uint8Array | string;
}

/** A TLS proxy before a trust server that writes down what clients ask, and can answer by itself. */
export interface TrustWire {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** `https://127.0.0.1:PORT`. */
  readonly url: string;
  /** Everything that was asked so far, in order. */
  seen(): readonly SeenCall[];
  /** What was asked since the last call of this function, without the pings. */
  fresh(): readonly SeenCall[];
  /** From now on answers what `answer` returns, where that is not `undefined`; `null` passes all on again. */
  answerWith(answer: ((path: string, method: string) => OwnAnswer | undefined) | null): void;
  /** Nobody listens any more, until {@link mend}. */
  cut(): Promise<void>;
  mend(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Starts it with the authority's certificate; `route` says which origin answers a path. With
 * `identified` it speaks to nobody who does not show the authority's certificate for clients.
 */
export async function startTrustWire(
  authority: TestAuthority,
  route: (path: string) => string,
  { identified = false }: { readonly identified?: boolean } = {},
): Promise<TrustWire> {
  const seen: SeenCall[] = [];
  let known = 0;
  let own: ((path: string, method: string) => OwnAnswer | undefined) | null = null;
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = '', url: path = '', headers } = request;
    const body = await bodyOf(request);
    const said = own?.(path, method);
    const note = (status: number): void => {
      seen.push({ method, path, headers, body, parts: partsOf(body), status });
    };
    if (said !== undefined) {
      note(said.status ?? 200);
      response.writeHead(said.status ?? 200, said.headers).end(said.body);
      return;
    }
    const answer = await forward(route(path), authority.ca, request, body);
    const content = await bodyOf(answer);
    note(answer.statusCode ?? 0);
    response.writeHead(answer.statusCode ?? 502, answer.headers).end(content);
  };
  const { cert, key } = authority.server;
  // The authority's certificates are for servers: which one was shown is looked at, not what it is for.
  const asking = { requestCert: identified, rejectUnauthorized: false };
  const server = createServer({ cert, key, ...asking }, (request, response) => {
    if (identified && !knows(request.socket as TLSSocket, authority)) request.socket.destroy();
    else handle(request, response).catch(() => response.destroy());
  });
  const listen = async (port: number): Promise<number> => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  const close = async (): Promise<void> => {
    if (!server.listening) return;
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  const port = await listen(0);
  const host = `127.0.0.1:${port}`;
  return {
    host,
    url: `https://${host}`,
    seen: () => seen,
    fresh: () => {
      const calls = seen.slice(known).filter((call) => call.path !== '/v2/');
      known = seen.length;
      return calls;
    },
    answerWith: (answer) => {
      own = answer;
    },
    cut: close,
    mend: async () => {
      await listen(port);
    },
    stop: close,
  };
}

/** Whether the peer has shown the authority's certificate for clients. */
function knows(socket: TLSSocket, { client }: TestAuthority): boolean {
  const shown = socket.getPeerX509Certificate();
  return shown?.fingerprint256 === new X509Certificate(client.cert).fingerprint256;
}

function partsOf(body: Buffer): readonly string[] {
  return [...body.toString('latin1').matchAll(/; filename="([^"]*)"/g)].map((found) =>
    (found[1] ?? '').replace(/\.json$/, ''),
  );
}

/** The content that an upload had for a role; `undefined` where it had none. */
export function partOf({ body }: SeenCall, role: string): Buffer | undefined {
  const text = body.toString('latin1');
  const named = text.indexOf(`; filename="${role}"`);
  if (named < 0) return undefined;
  const begin = text.indexOf('\r\n\r\n', named) + 4;
  return body.subarray(begin, text.indexOf('\r\n--', begin));
}

/** Passes a request on under the origin's own name. */
function forward(
  origin: string,
  ca: string,
  { method, url, headers }: IncomingMessage,
  body: Buffer,
): Promise<IncomingMessage> {
  const target = new URL(origin);
  const send = target.protocol === 'https:' ? requestTls : requestPlain;
  const passed = { ...headers, host: target.host };
  return new Promise((resolve, reject) => {
    const { hostname, port } = target;
    const sent = send(
      { hostname, port, method, path: url, headers: passed, ca, agent: false },
      resolve,
    );
    sent.on('error', reject);
    sent.end(body);
  });
}
