import { mkdirSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import type { TestAuthority } from './certificates.ts';
import { makeAuthority } from './certificates.ts';
import type { Child } from './child.ts';
import { freePort, startChild, waitFor } from './child.ts';
import { clientPath } from './clients.ts';
import { SERVER_MYSQL, SERVER_POSTGRES, SIGNER_MYSQL, SIGNER_POSTGRES } from './notary-schema.ts';
import type { Mariadb } from './mariadb.ts';
import type { Postgres } from './postgres.ts';

/** The passphrase under the alias that the signer seals new keys with, and the alias. */
export const SIGNER_PASSPHRASE = { alias: 'timestamp_1', passphrase: 'a passphrase of the signer' };

/** A running notary-server 0.7.0 with TLS. */
export interface NotaryServer {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** `https://127.0.0.1:PORT`. */
  readonly url: string;
  /** The authority behind its certificate, PEM; also as `ca.pem` in its folder. */
  readonly ca: string;
  /** The databases' names, where it has any. */
  readonly databases: { readonly server: string; readonly signer: string } | null;
  /** Ends server and signer; the database stays. */
  stop(): Promise<void>;
}

/** Where a notary-server keeps files and keys. */
export interface NotaryServerOptions {
  /** In databases of this PostgreSQL, with a notary-signer; else in memory, Ed25519 keys included. */
  readonly postgres?: Postgres;
  /** The same of MariaDB. */
  readonly mariadb?: Mariadb;
  /** What the signer makes; `ecdsa` where nothing is said. */
  readonly keyAlgorithm?: 'ecdsa' | 'ed25519';
  /** Its own port, so that something else can listen there afterwards. */
  readonly port?: number;
  /** Only repositories below one of these may be published. */
  readonly prefixes?: readonly string[];
  /** Whose certificate it shows; a new one where nothing is said. */
  readonly authority?: TestAuthority;
}

/** Starts it under `folder`; with PostgreSQL also notary-signer, each with a database of its own. */
export async function startNotaryServer(
  folder: string,
  options: NotaryServerOptions = {},
): Promise<NotaryServer> {
  mkdirSync(folder, { recursive: true });
  const authority = options.authority ?? makeAuthority();
  for (const [name, text] of Object.entries({ ...authority.server, ca: authority.ca })) {
    writeFileSync(join(folder, `${name}.pem`), text, { mode: 0o600 });
  }
  const { keyAlgorithm = 'ecdsa' } = options;
  const databases = await makeDatabases(options);
  const signer =
    databases === null ? null : await startSigner(folder, databases.storage.signer, authority.ca);
  const host = `127.0.0.1:${options.port ?? (await freePort())}`;
  const config = {
    server: {
      http_addr: host,
      tls_key_file: join(folder, 'key.pem'),
      tls_cert_file: join(folder, 'cert.pem'),
    },
    trust_service:
      signer === null
        ? { type: 'local' }
        : {
            type: 'remote',
            hostname: '127.0.0.1',
            port: `${signer.port}`,
            tls_ca_file: join(folder, 'ca.pem'),
            key_algorithm: keyAlgorithm,
          },
    storage: databases === null ? { backend: 'memory' } : databases.storage.server,
    logging: { level: 'error' },
    ...(options.prefixes === undefined ? {} : { repositories: { gun_prefixes: options.prefixes } }),
  };
  const file = join(folder, 'notary-server.json');
  writeFileSync(file, JSON.stringify(config));
  const child = startChild(clientPath('notary-server'), ['-config', file]);
  const url = `https://${host}`;
  await waitFor(child, 'notary-server', () => healthy(url, authority.ca));
  return {
    host,
    url,
    ca: authority.ca,
    databases: databases?.names ?? null,
    stop: async () => {
      await child.stop();
      await signer?.child.stop();
    },
  };
}

let made = 0;

interface Storage {
  readonly backend: string;
  readonly db_url: string;
}

interface Databases {
  readonly names: { readonly server: string; readonly signer: string };
  readonly storage: { readonly server: Storage; readonly signer: Storage };
}

async function makeDatabases({
  postgres,
  mariadb,
}: NotaryServerOptions): Promise<Databases | null> {
  made += 1;
  const names = { server: `notaryserver_${made}`, signer: `notarysigner_${made}` };
  const kind =
    postgres !== undefined
      ? {
          sql: (name: string, text: string) => postgres.sql(name, text),
          main: 'postgres',
          server: SERVER_POSTGRES,
          signer: SIGNER_POSTGRES,
          at: (name: string) => ({
            backend: 'postgres',
            db_url: `${postgres.url(name)}?sslmode=disable`,
          }),
        }
      : mariadb !== undefined
        ? {
            sql: (name: string, text: string) => mariadb.sql(name, text),
            main: 'mysql',
            server: SERVER_MYSQL,
            signer: SIGNER_MYSQL,
            at: (name: string) => ({
              backend: 'mysql',
              db_url: `notary@tcp(127.0.0.1:${mariadb.port})/${name}?parseTime=True`,
            }),
          }
        : null;
  if (kind === null) return null;
  for (const role of ['server', 'signer'] as const) {
    await kind.sql(kind.main, `CREATE DATABASE ${names[role]};`);
    await kind.sql(names[role], kind[role]);
  }
  return { names, storage: { server: kind.at(names.server), signer: kind.at(names.signer) } };
}

async function startSigner(
  folder: string,
  storage: Storage,
  ca: string,
): Promise<{ readonly child: Child; readonly port: number }> {
  const port = await freePort();
  const web = await freePort();
  const { alias, passphrase } = SIGNER_PASSPHRASE;
  const file = join(folder, 'notary-signer.json');
  writeFileSync(
    file,
    JSON.stringify({
      server: {
        http_addr: `127.0.0.1:${web}`,
        grpc_addr: `127.0.0.1:${port}`,
        tls_cert_file: join(folder, 'cert.pem'),
        tls_key_file: join(folder, 'key.pem'),
      },
      logging: { level: 'error' },
      storage: { ...storage, default_alias: alias },
    }),
  );
  const child = startChild(clientPath('notary-signer'), ['-config', file], {
    env: { [`NOTARY_SIGNER_${alias.toUpperCase()}`]: passphrase },
  });
  await waitFor(child, 'notary-signer', () => listens(port, ca));
  return { child, port };
}

/** True once a TLS handshake on the port gets an answer of any kind. */
function listens(port: number, ca: string): Promise<true | undefined> {
  return new Promise((resolve) => {
    const asked = request({ host: '127.0.0.1', port, ca, agent: false }, (answer) => {
      answer.resume();
      resolve(true);
    });
    asked.on('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code === 'ECONNREFUSED' ? undefined : true);
    });
    asked.end();
  });
}

/** True once the server says that itself, its database and its signer are well. */
function healthy(url: string, ca: string): Promise<true | undefined> {
  return new Promise((resolve) => {
    const asked = request(`${url}/_notary_server/health`, { ca, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200 ? true : undefined);
    });
    asked.on('error', () => resolve(undefined));
    asked.end();
  });
}
