import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach } from 'vitest';
import type { RegistryClient, RegistryClientOptions } from '../../src/oci/client.ts';
import { createRegistryClient } from '../../src/oci/client.ts';
import type { WireServer } from './wire-server.ts';
import { startWireServer } from './wire-server.ts';

/** Registries that a test scripts, and clients of them; all end with the test. */
export interface WireRegistries {
  readonly serve: (
    handle: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>,
  ) => Promise<WireServer>;
  /** A client that waits for nothing longer than a test may. */
  readonly clientOf: (
    server: Pick<WireServer, 'host'>,
    options?: Partial<RegistryClientOptions>,
  ) => RegistryClient;
}

/** Opens them for a suite; call it in the body of `describe`. */
export function wireRegistries(): WireRegistries {
  const open: { stop(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one.stop();
  });
  return {
    async serve(handle) {
      const server = await startWireServer(handle);
      open.push(server);
      return server;
    },
    clientOf(server, options = {}) {
      const client = createRegistryClient({
        host: server.host,
        retry: { attempts: 3, baseMs: 1, maxMs: 1500 },
        fetchTimeouts: { headers: 1000, body: 1000 },
        ...options,
      });
      open.push({ stop: () => client.close() });
      return client;
    },
  };
}
