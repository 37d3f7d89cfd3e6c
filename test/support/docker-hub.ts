import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, request as forward } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { makeAuthority } from './certificates.ts';

const HUB = 'registry-1.docker.io';

/** A registry that stands in for Docker Hub, for an engine that is started with this environment. */
export interface StandInHub {
  /** Sends the engine here for Hub, and makes it believe the certificate. */
  readonly env: Readonly<Record<string, string>>;
  /** Whether the engine's way to Hub is open, as a firewall decides it. */
  open(yes: boolean): void;
  stop(): Promise<void>;
}

/**
 * Lets the registry at `upstream` answer for registry-1.docker.io, over TLS, behind a proxy that an
 * engine uses for everything but loopback: the canonical registry of Docker's mirrors cannot be
 * configured, and nothing outside this machine is asked.
 */
export async function startStandInHub(folder: string, upstream: string): Promise<StandInHub> {
  const { ca, server } = makeAuthority({ names: [HUB] });
  const roots = join(folder, 'hub-ca.pem');
  writeFileSync(roots, ca);
  const hub = createTlsServer(server, (request, response) => {
    const { method, headers } = request;
    const to = { method, headers: { ...headers, host: new URL(upstream).host } };
    const sent = forward(new URL(request.url ?? '/', upstream), to, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    sent.on('error', () => response.destroy());
    request.pipe(sent);
  });
  hub.listen(0, '127.0.0.1');
  await once(hub, 'listening');
  const { port } = hub.address() as AddressInfo;

  let passable = true;
  const sockets = new Set<Duplex>();
  const proxy = createServer((_request, response) => response.writeHead(403).end());
  proxy.on('connect', (request, socket: Duplex) => {
    sockets.add(socket.on('error', () => undefined));
    if (!passable || request.url !== `${HUB}:443`) {
      socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
      return;
    }
    const inner = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      inner.pipe(socket).pipe(inner);
    });
    inner.on('error', () => socket.destroy());
    socket.on('close', () => inner.destroy());
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  return {
    env: { HTTPS_PROXY: address, NO_PROXY: '127.0.0.1,localhost', SSL_CERT_FILE: roots },
    open: (yes) => {
      passable = yes;
      if (!yes) for (const socket of sockets) socket.destroy();
    },
    stop: () => {
      for (const socket of sockets) socket.destroy();
      for (const one of [proxy, hub]) {
        one.closeAllConnections();
        one.close();
      }
      return Promise.resolve();
    },
  };
}
