import type { RegistryClient } from '../src/oci/client.ts';

/** The clients of one command, one for each host. */
export interface Clients {
  readonly of: (host: string) => RegistryClient;
  close(): Promise<void>;
}

/** Opens clients as they are asked for. Whoever makes this closes it. */
export function openClients(open: (host: string) => RegistryClient): Clients {
  const clients = new Map<string, RegistryClient>();
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
