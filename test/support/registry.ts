import { createServer } from 'node:http';
import type { RegistryOptions } from '../../src/registry/registry.ts';
import { createRegistry } from '../../src/registry/registry.ts';
import { loopbackPort } from './loopback-port.ts';

/** The embedded registry on a loopback port of its own. */
export interface RunningRegistry {
  readonly url: string;
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** Failures that the registry reported for its log. */
  readonly errors: readonly unknown[];
  stop(): Promise<void>;
}

/** Starts the embedded registry over `root`. */
export async function startRegistry(
  root: string,
  options: Omit<RegistryOptions, 'root' | 'onError'> = {},
): Promise<RunningRegistry> {
  const errors: unknown[] = [];
  const registry = await createRegistry({
    ...options,
    root,
    onError: (error) => errors.push(error),
  });
  const server = createServer({ requestTimeout: 0 }, registry.handler);
  const port = await loopbackPort(server);
  const host = `127.0.0.1:${port}`;
  return {
    host,
    url: `http://${host}`,
    errors,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await registry.close();
    },
  };
}
