import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, request } from 'node:http';
import { loopbackPort } from './loopback-port.ts';

/** A proxy before a registry that can leave chosen requests unanswered. */
export interface StallingProxy {
  readonly url: string;
  /** Requests that this is true of are swallowed from now on; `null` lets everything through again. */
  stall(which: ((method: string, path: string) => boolean) | null): void;
  /** Resolves when a request has been swallowed, at once if that has happened since the last {@link stall}. */
  stalled(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts it on a free loopback port. */
export async function startStallingProxy(upstream: string): Promise<StallingProxy> {
  let which: ((method: string, path: string) => boolean) | null = null;
  let swallowed = Promise.withResolvers<void>();
  const pass = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    if (which?.(incoming.method ?? '', incoming.url ?? '') === true) {
      incoming.resume();
      swallowed.resolve();
      return;
    }
    const { method, headers } = incoming;
    const onward = request(new URL(incoming.url ?? '/', upstream), {
      ...(method === undefined ? {} : { method }),
      headers,
    });
    onward.on('response', (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    incoming.pipe(onward);
  };
  const server = createServer(pass);
  const port = await loopbackPort(server);
  return {
    url: `http://127.0.0.1:${port}`,
    stall: (chosen) => {
      which = chosen;
      swallowed = Promise.withResolvers<void>();
    },
    stalled: () => swallowed.promise,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
