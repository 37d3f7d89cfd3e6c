import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { TlsOptions } from 'node:tls';
import { createServer as createTlsServer } from 'node:tls';
import { isLoopback } from '../lib/loopback.ts';
import { firstByte } from './first-byte.ts';
import type { HttpLimits } from './http-server.ts';
import { createHttpServer, takeOverConnections } from './http-server.ts';
import { closeGracefully, listenOn } from './listening.ts';

/** What a TLS server shows: PEM texts of its certificate chain and of the private key. */
export interface TlsMaterial {
  readonly cert: string;
  readonly key: string;
}

/** Bounds of a listener; tests make them small. */
export interface ListenerLimits extends HttpLimits {
  /** Until the first byte of a connection, and until its TLS handshake is done, ms (T-70). */
  readonly firstByteMs?: number;
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
