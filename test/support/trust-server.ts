import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './child.ts';
import type { TestAuthority } from './certificates.ts';
import { makeAuthority } from './certificates.ts';
import type { Service, Site } from './countersign.ts';
import { createSite, startService } from './countersign.ts';
import { startNotaryServer } from './notary-server.ts';
import type { Postgres } from './postgres.ts';
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
  readonly ours: {
    readonly service: Service;
    readonly site: Site;
    /** Stops it, and starts it again with its data and another environment. */
    again(env: Readonly<Record<string, string>>): Promise<void>;
  } | null;
  stop(): Promise<void>;
}

/** How a trust server differs from the usual one. */
export interface TrustServerOptions {
  /** Of ours: the host whose images are signed, where that is not its own. */
  readonly registry?: string;
  /** Of ours: the registry behind that name; the embedded one where nothing is said. */
  readonly upstream?: string;
  /** Of ours: its policy file; one that judges nothing where nothing is said. */
  readonly policy?: string;
  /** Of ours: lines of its configuration. */
  readonly config?: readonly string[];
  /** Of ours: what it logs; the original logs failures only. */
  readonly logLevel?: string;
  /** Only repositories below one of these may be published. */
  readonly prefixes?: readonly string[];
  /** The databases of the original; without, it keeps all in memory. */
  readonly postgres?: Postgres;
}

// What docker and notary check by themselves is the suite's subject: the gate says nothing.
const UNJUDGED = `version: 1
policies:
  - { name: unjudged, images: ["**"], mode: "off" }
`;

/** Starts one of either kind under `folder`. */
export async function startTrustServer(
  folder: string,
  kind: TrustServerKind,
  options: TrustServerOptions,
): Promise<TrustServer> {
  mkdirSync(folder, { recursive: true });
  const authority = makeAuthority();
  const host = `127.0.0.1:${await freePort()}`;
  const url = `https://${host}`;
  const http = trustHttp(url, authority.ca);
  const start = kind === 'countersign' ? startOurs : startTheirs;
  const { ours, stop } = await start(folder, host, authority, options);
  return { kind, host, url, authority, http, ours, stop };
}

type Started = Pick<TrustServer, 'ours' | 'stop'>;

async function startOurs(
  folder: string,
  host: string,
  authority: TestAuthority,
  options: TrustServerOptions,
): Promise<Started> {
  const { registry, upstream = 'embedded', config = [], policy = UNJUDGED } = options;
  for (const [name, text] of Object.entries(authority.server)) {
    writeFileSync(join(folder, `${name}.pem`), text, { mode: 0o600 });
  }
  const site = createSite(join(folder, 'site'));
  site.policy(policy);
  const start = (env: Readonly<Record<string, string>>): Promise<Service> =>
    startService(site, {
      host,
      tls: true,
      env,
      ...(options.logLevel === undefined ? {} : { logLevel: options.logLevel }),
      config: () =>
        [
          `tls: { cert: ${join(folder, 'cert.pem')}, key: ${join(folder, 'key.pem')} }`,
          registry === undefined
            ? `registries: [{ host: "${host}", upstream: ${upstream} }]`
            : `registries: [{ host: "${registry}", aliases: ["${host}"], upstream: "${upstream}" }]`,
          ...config,
          '',
        ].join('\n'),
    });
  let service = await start({});
  const stop = async (): Promise<void> => {
    await service.stop();
  };
  const again = async (env: Readonly<Record<string, string>>): Promise<void> => {
    await stop();
    service = await start(env);
  };
  return { ours: { service, site, again }, stop };
}

/** Debian's notary-server. */
async function startTheirs(
  folder: string,
  host: string,
  authority: TestAuthority,
  { prefixes, postgres }: TrustServerOptions,
): Promise<Started> {
  const server = await startNotaryServer(folder, {
    authority,
    port: Number(host.split(':')[1]),
    ...(prefixes === undefined ? {} : { prefixes }),
    ...(postgres === undefined ? {} : { postgres }),
  });
  return { ours: null, stop: () => server.stop() };
}
