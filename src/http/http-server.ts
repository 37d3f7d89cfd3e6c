import type { Server } from 'node:http';
import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { CountersignError } from '../lib/errors.ts';

/** Bounds of an HTTP server; the usual ones where not given. */
export interface HttpLimits {
  /** Until a request's headers are complete, ms (T-70). */
  readonly headersMs?: number;
  /** How long a connection may be open without a byte either way while a request runs, ms. */
  readonly idleMs?: number;
  /** Connections at the same time; more are closed at once. */
  readonly connections?: number;
}

const HEADERS_MS = 60_000;
const KEEP_ALIVE_MS = 75_000;
const IDLE_MS = 300_000;
const CONNECTIONS = 4096;
const HEADER_BYTES = 16 * 1024;

/** Makes a server that speaks strict HTTP/1.1 within its bounds; it listens nowhere yet. */
export function createHttpServer(limits: HttpLimits): Server {
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

/**
 * Takes node's own connection handler off a new server and returns it, to be called once a connection's
 * protocol is known. Throws INTERNAL where there is not just that one.
 */
export function takeOverConnections(server: Server): (socket: Socket) => void {
  const [own, ...others] = server.listeners('connection');
  if (own === undefined || others.length > 0) {
    throw new CountersignError('INTERNAL', 'expected one connection handler on a new HTTP server');
  }
  server.removeAllListeners('connection');
  return (socket) => {
    Reflect.apply(own, server, [socket]);
  };
}
