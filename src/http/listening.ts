import type { Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { isIPv6 } from 'node:net';
import { CountersignError, messageOf } from '../lib/errors.ts';

/** Starts to accept; the URLs are of TLS, of plain HTTP, or of both. Throws CONFIG_INVALID where the address cannot be listened on. */
export function listenOn(
  server: Server,
  { host, port }: { readonly host: string; readonly port: number },
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

/** Stops accepting, lets running requests finish for so long, then cuts off all of `open`. */
export async function closeGracefully(
  server: Server,
  open: Set<Socket>,
  graceMs: number,
): Promise<void> {
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
