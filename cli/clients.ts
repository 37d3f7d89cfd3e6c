import type { RegistryClient } from '../src/oci/client.ts';

/** The clients of one command, one for each host. */
export interface Clients<T = RegistryClient> {
  readonly of: (host: string) => T;
  close(): Promise<void>;
}

/** Opens clients as they are asked for. Whoever makes this closes it. */
export function openClients<T extends { close(): Promise<void> }>(
  open: (host: string) => T,
): Clients<T> {
  const clients = new Map<string, T>();
  return {
    of: (host) => {
      const known = clients.get(host);
      if (known !== undefined) return known;
      const opened = open(host);
      clients.set(host, opened);
      return opened;
    },
    async close() {
      for (const client of clients.values()) await client.close();
    },
  };
}
