import type { Server } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { isIPv6 } from 'node:net';
import type { TlsOptions } from 'node:tls';
import { createServer as createTlsServer } from 'node:tls';
import { CountersignError, messageOf } from '../lib/errors.ts';
import { isLoopback } from '../lib/loopback.ts';
import { firstByte } from './first-byte.ts';

/** What a TLS server shows: PEM texts of its certificate chain and of the private key. */
export interface TlsMaterial {
  readonly cert: string;
  readonly key: string;
}

/** Bounds of a listener; tests make them small. */
export interface ListenerLimits {
  /** Until the first byte of a connection, and until its TLS handshake is done, ms (T-70). */
  readonly firstByteMs?: number;
  /** Until a request's headers are complete, ms (T-70). */
  readonly headersMs?: number;
  /** How long a connection may be open without a byte either way while a request runs, ms. */
  readonly idleMs?: number;
  /** Connections at the same time; more are closed at once. */
  readonly connections?: number;
}

/** What {@link createListener} makes. */
export interface ListenerOptions extends ListenerLimits {
  /** An IP address. */
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /** `null`: plain HTTP only. */
  readonly tls: TlsMaterial | null;
  /** True: a loopback address serves TLS and plain HTTP on the same port. */
  readonly bothOnLoopback: boolean;
}

/** A port that speaks HTTP/1.1, over TLS or not. */
export interface Listener {
  /**
   * The one server whose 'request' events come from both protocols. For fastify:
   * `serverFactory: (handler) => listener.server.on('request', handler)`.
   */
  readonly server: Server;
  /** Starts to accept. Throws CONFIG_INVALID where the address cannot be listened on. */
  listen(): Promise<{ readonly port: number; readonly urls: readonly string[] }>;
  /** Shows another certificate from the next connection on. Throws where the pair does not fit; the old one stays. */
  setTls(material: TlsMaterial): void;
  /** Stops accepting, lets running requests finish for so long, then cuts them off. */
  close(graceMs: number): Promise<void>;
}

const FIRST_BYTE_MS = 15_000;
const HEADERS_MS = 60_000;
const KEEP_ALIVE_MS = 75_000;
const IDLE_MS = 300_000;
const CONNECTIONS = 4096;
const HEADER_BYTES = 16 * 1024;

// HTTP/1.1 alone: over HTTP/2 there is no reason phrase, which is all that containerd shows of a
// refusal.
const tlsOptions = (material: TlsMaterial): TlsOptions => ({
  cert: material.cert,
  key: material.key,
  minVersion: 'TLSv1.2',
  ALPNProtocols: ['http/1.1'],
});

const HTTP_ON_HTTPS = Buffer.from(
  'HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\nThis port speaks HTTPS only.\n',
);

/**
 * Makes a listener. TLS is told from plain HTTP by the first byte of a connection (0x16, a TLS
 * handshake record), so that docker, which tries HTTPS on `localhost`, and containerd, which does not,
 * find the same service; away from loopback plain HTTP only gets told what the port speaks.
 */
export function createListener(options: ListenerOptions): Listener {
  const { host, tls } = options;
  const plain = tls === null || (options.bothOnLoopback && isLoopback(host));
  const firstByteMs = options.firstByteMs ?? FIRST_BYTE_MS;
  const server = createHttpServer(options);
  const serveHttp = takeOverConnections(server);
  const secure = tls === null ? undefined : createTlsServer(tlsOptions(tls));
  // Node's own handshake time-out starts anew with every byte; this one does not (T-70).
  const handshakes = new Map<string, NodeJS.Timeout>();
  secure?.on('secureConnection', (socket) => {
    clearTimeout(handshakes.get(peerOf(socket)));
    serveHttp(socket);
  });
  // Node leaves a connection whose handshake failed to whoever listens here.
  secure?.on('tlsClientError', (_, socket) => socket.destroy());

  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    firstByte(socket, firstByteMs, (byte) => {
      if (byte === 0x16 && secure !== undefined) {
        const peer = peerOf(socket);
        const late = setTimeout(() => socket.destroy(), firstByteMs);
        handshakes.set(peer, late);
        socket.once('close', () => {
          clearTimeout(late);
          if (handshakes.get(peer) === late) handshakes.delete(peer);
        });
        secure.emit('connection', socket);
      } else if (plain) serveHttp(socket);
      else socket.end(HTTP_ON_HTTPS, () => socket.destroySoon());
    });
  });

  return {
    server,
    listen: () => listenOn(server, options, secure !== undefined, plain),
    setTls(material) {
      if (secure === undefined) throw new TypeError('expected a listener with TLS');
      secure.setSecureContext(tlsOptions(material));
    },
    close: (graceMs) => closeGracefully(server, open, graceMs),
  };
}

/** The far end of a connection: the same for a socket and for the TLS socket upon it. */
function peerOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}

function createHttpServer(limits: ListenerLimits): Server {
  const server = createServer({
    insecureHTTPParser: false,
    maxHeaderSize: HEADER_BYTES,
    headersTimeout: limits.headersMs ?? HEADERS_MS,
    connectionsCheckingInterval: Math.min(10_000, limits.headersMs ?? HEADERS_MS),
    // Whole pushes and pulls take as long as they take; what stalls meets the idle time-out.
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // Two Host or Authorization headers are one too many: who sees which of them would differ.
    requireHostHeader: true,
    noDelay: true,
  });
  server.timeout = limits.idleMs ?? IDLE_MS;
  // Node drops headers over a count in silence; the byte bound above holds without that.
  server.maxHeadersCount = 0;
  server.maxConnections = limits.connections ?? CONNECTIONS;
  return server;
}

/** Takes node's own connection handler off the server and returns it, to be called once the protocol is known. */
function takeOverConnections(server: Server): (socket: Socket) => void {
  const [own, ...others] = server.listeners('connection');
  if (own === undefined || others.length > 0) {
    throw new CountersignError('INTERNAL', 'expected one connection handler on a new HTTP server');
  }
  server.removeAllListeners('connection');
  return (socket) => {
    Reflect.apply(own, server, [socket]);
  };
}

function listenOn(
  server: Server,
  { host, port }: ListenerOptions,
  secure: boolean,
  plain: boolean,
): Promise<{ port: number; urls: readonly string[] }> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => {
      reject(
        new CountersignError(
          'CONFIG_INVALID',
          `expected to listen on ${host}:${port}, but ${whyNot(error)}; choose another address with --listen`,
          { cause: error },
        ),
      );
    };
    server.once('error', failed);
    server.listen({ host, port }, () => {
      server.off('error', failed);
      const actual = (server.address() as AddressInfo).port;
      const name = isIPv6(host) ? `[${host}]` : host;
      const schemes = [...(secure ? ['https'] : []), ...(plain ? ['http'] : [])];
      resolve({ port: actual, urls: schemes.map((scheme) => `${scheme}://${name}:${actual}`) });
    });
  });
}

function whyNot(error: Error): string {
  const code = 'code' in error ? error.code : '';
  if (code === 'EADDRINUSE') return 'another process listens there already (EADDRINUSE)';
  if (code === 'EADDRNOTAVAIL') return 'this machine has no such address (EADDRNOTAVAIL)';
  return messageOf(error);
}

async function closeGracefully(server: Server, open: Set<Socket>, graceMs: number): Promise<void> {
  if (!server.listening) return;
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  // What has no request now gets none: clients see a closed connection and try another replica.
  const sweep = setInterval(() => server.closeIdleConnections(), 50);
  server.prependListener('request', (_, response) => response.setHeader('connection', 'close'));
  const cut = setTimeout(() => {
    server.closeAllConnections();
    for (const socket of open) socket.destroy();
  }, graceMs);
  server.closeIdleConnections();
  await closed;
  clearInterval(sweep);
  clearTimeout(cut);
}
