import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, startChild, waitFor } from './child.ts';
import type { TestAuthority } from './certificates.ts';
import { makeAuthority } from './certificates.ts';
import { clientPath } from './clients.ts';
import type { Service, Site } from './countersign.ts';
import { createSite, startService } from './countersign.ts';
import type { TrustHttp } from './trust-http.ts';
import { trustHttp } from './trust-http.ts';

/** Which trust server a suite runs against: ours, and the original, by which the suite itself is proven. */
export type TrustServerKind = 'countersign' | 'notary-server';
/** Both. */
export const TRUST_SERVERS: readonly TrustServerKind[] = ['countersign', 'notary-server'];

/** A running trust server with TLS. */
export interface TrustServer {
  readonly kind: TrustServerKind;
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** `https://127.0.0.1:PORT`. */
  readonly url: string;
  readonly authority: TestAuthority;
  /** For requests of a test's own. */
  readonly http: TrustHttp;
  /** The service with its site, where it is ours. */
  readonly ours: { readonly service: Service; readonly site: Site } | null;
  stop(): Promise<void>;
}

/** How a trust server differs from the usual one. */
export interface TrustServerOptions {
  /** The registry whose images are signed, `HOST:PORT`; another than the trust server's own origin. */
  readonly registry: string;
  /** Only repositories below one of these may be published. */
  readonly prefixes?: readonly string[];
}

/** Starts one of either kind under `folder`. */
export async function startTrustServer(
  folder: string,
  kind: TrustServerKind,
  options: TrustServerOptions,
): Promise<TrustServer> {
  mkdirSync(folder, { recursive: true });
  const authority = makeAuthority();
  const host = `127.0.0.1:${await freePort()}`;
  for (const [name, text] of Object.entries({ ...authority.server, ca: authority.ca })) {
    writeFileSync(join(folder, `${name}.pem`), text);
  }
  const url = `https://${host}`;
  const http = trustHttp(url, authority.ca);
  const start = kind === 'countersign' ? startOurs : startTheirs;
  const { ours, stop } = await start(folder, host, http, options);
  return { kind, host, url, authority, http, ours, stop };
}

type Started = Pick<TrustServer, 'ours' | 'stop'>;

async function startOurs(
  folder: string,
  host: string,
  _http: TrustHttp,
  { registry }: TrustServerOptions,
): Promise<Started> {
  const site = createSite(join(folder, 'site'));
  const service = await startService(site, {
    host,
    tls: true,
    config: () =>
      [
        `tls: { cert: ${join(folder, 'cert.pem')}, key: ${join(folder, 'key.pem')} }`,
        `registries: [{ host: "${registry}", aliases: ["${host}"], upstream: "http://${registry}" }]`,
        '',
      ].join('\n'),
  });
  return {
    ours: { service, site },
    stop: async () => {
      await service.stop();
    },
  };
}

/** Debian's notary-server with its storage and keys in memory. */
async function startTheirs(
  folder: string,
  host: string,
  http: TrustHttp,
  { prefixes }: TrustServerOptions,
): Promise<Started> {
  const file = join(folder, 'notary-server.json');
  writeFileSync(
    file,
    JSON.stringify({
      server: {
        http_addr: host,
        tls_key_file: join(folder, 'key.pem'),
        tls_cert_file: join(folder, 'cert.pem'),
      },
      trust_service: { type: 'local' },
      storage: { backend: 'memory' },
      logging: { level: 'error' },
      ...(prefixes === undefined ? {} : { repositories: { gun_prefixes: prefixes } }),
    }),
  );
  const child = startChild(clientPath('notary-server'), ['-config', file]);
  await waitFor(child, 'notary-server', async () => {
    try {
      return (await http.call('GET', '/v2/')).status === 200 ? true : undefined;
    } catch {
      return undefined;
    }
  });
  return {
    ours: null,
    stop: async () => {
      await child.stop();
    },
  };
}
