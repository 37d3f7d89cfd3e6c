import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { loopbackPort } from './loopback-port.ts';

/** A TCP proxy that breaks connections in the middle of a large upload, as bad networks do. */
export interface CuttingProxy {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** How many connections it has cut. */
  readonly cuts: () => number;
  /** The request lines and headers that went through, for what was asked. */
  readonly heads: () => string;
  stop(): Promise<void>;
}

/**
 * Starts a proxy to `target` (`127.0.0.1:PORT`). The first `times` connections that send more than
 * `after` bytes are cut right there; each later one goes through.
 */
export async function startCuttingProxy(
  target: string,
  options: { readonly after: number; readonly times: number },
): Promise<CuttingProxy> {
  const port = Number(target.split(':')[1]);
  const open = new Set<Socket>();
  let cuts = 0;
  let heads = '';
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    let sent = 0;
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on('error', () => {}).on('close', () => open.delete(socket));
    }
    client.on('data', (chunk) => {
      sent += chunk.length;
      const text = chunk.toString('latin1');
      if (/^(?:GET|HEAD|POST|PUT|PATCH) \//.test(text)) heads += text.split('\r\n\r\n', 1)[0] ?? '';
      if (sent > options.after && cuts < options.times) {
        cuts++;
        // What came so far is passed on: the registry keeps it, or forgets it, by its own rules.
        upstream.end(chunk);
        client.destroy();
        return;
      }
      upstream.write(chunk);
    });
    upstream.pipe(client);
    client.on('end', () => upstream.end());
  });
  const listening = await loopbackPort(server);
  return {
    host: `127.0.0.1:${listening}`,
    cuts: () => cuts,
    heads: () => heads,
    stop: async () => {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
