import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestAuthority } from './certificates.ts';
import { makeAuthority } from './certificates.ts';
import { freePort } from './child.ts';
import type { Service, Site } from './countersign.ts';
import { createSite, startService } from './countersign.ts';
import type { NotaryServer, NotaryServerOptions } from './notary-server.ts';
import { SIGNER_PASSPHRASE, startNotaryServer } from './notary-server.ts';
import type { Ran, RunOptions } from './run.ts';
import type { TrustHttp } from './trust-http.ts';
import { trustHttp } from './trust-http.ts';

/** A notary-server, and a service that is to take its place: the same address, the same certificate. */
export interface NotaryMove {
  readonly old: NotaryServer;
  readonly authority: TestAuthority;
  /** The certificate's authority as a file. */
  readonly ca: string;
  readonly site: Site;
  /** Asks whoever answers at the address now. */
  readonly http: TrustHttp;
  /** Runs `countersign import notary ARGS` on the service's data; the signer's passphrase is in its variable. */
  importNotary(args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** The arguments and environment of that. */
  readonly importing: (args: readonly string[]) => {
    readonly args: readonly string[];
    readonly env: Readonly<Record<string, string | undefined>>;
  };
  /** Stops the old server, and starts the service where it was. */
  serve(): Promise<Service>;
}

const UNJUDGED = `version: 1
policies:
  - { name: unjudged, images: ["**"], mode: "off" }
`;

/** Starts the old server under `folder`; `registry` is the host that repositories are named after. */
export async function startNotaryMove(
  folder: string,
  registry: { readonly host: string; readonly upstream: string },
  storage: Pick<NotaryServerOptions, 'postgres' | 'mariadb' | 'keyAlgorithm'>,
): Promise<NotaryMove> {
  mkdirSync(folder, { recursive: true });
  const authority = makeAuthority();
  const old = await startNotaryServer(join(folder, 'old'), {
    ...storage,
    authority,
    port: await freePort(),
  });
  const site = createSite(join(folder, 'site'));
  site.policy(UNJUDGED);
  const [cert, key, ca] = ['cert', 'key', 'ca'].map((name) => join(folder, 'old', `${name}.pem`));
  const config = [
    `tls: { cert: ${cert}, key: ${key} }`,
    `registries: [{ host: "${registry.host}", aliases: ["${old.host}"], upstream: "${registry.upstream}" }]`,
    '',
  ].join('\n');
  const file = join(site.folder, 'import.yaml');
  writeFileSync(file, config);
  const { alias, passphrase } = SIGNER_PASSPHRASE;
  const env = { [`NOTARY_SIGNER_${alias.toUpperCase()}`]: passphrase };
  const data = join(site.folder, 'service-data');
  const importing: NotaryMove['importing'] = (args) => ({
    args: ['import', 'notary', '--config', file, '--data', data, ...args],
    env: { ...site.env, ...env },
  });
  return {
    old,
    authority,
    ca: ca ?? '',
    site,
    http: trustHttp(old.url, authority.ca),
    importing,
    importNotary: (args, options = {}) => {
      const run = importing(args);
      return site.cli(run.args, { ...options, env: { ...run.env, ...options.env } });
    },
    serve: async () => {
      await old.stop();
      return startService(site, { host: old.host, tls: true, config: () => config });
    },
  };
}
