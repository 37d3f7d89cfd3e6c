import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';

/** A real client that a suite talks to. */
export interface Client {
  readonly path: string;
  readonly version: string;
  /** The Debian package that brings it. */
  readonly package: string;
}

interface Row {
  readonly package: string;
  /** Where it may be, best first. */
  readonly places: () => readonly string[];
  /** The version must begin so, where two generations share a name. */
  readonly generation?: string;
  /** True where it runs as root only. */
  readonly root?: boolean;
}

// `.ci/clients` unpacks the clients of newer Debian releases here.
const cache =
  process.env['COUNTERSIGN_TEST_CLIENTS'] ??
  join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'countersign-test-clients');

const onPath = (name: string) => (): string[] =>
  [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/bin'].map((dir) =>
    join(dir, name),
  );
const cached = (folder: string, name: string) => (): string[] => [join(cache, folder, name)];

/** Debian keeps PostgreSQL's programs in a folder per version, off PATH; the newest first. */
const ofPostgres = (name: string) => (): string[] => {
  const home = '/usr/lib/postgresql';
  const versions = existsSync(home) ? readdirSync(home) : [];
  versions.sort((a, b) => Number(b) - Number(a));
  return [...versions.map((version) => join(home, version, 'bin', name)), ...onPath(name)()];
};

const CLIENTS = {
  // The first on PATH: 28 where a machine has it beside Debian's 20.10.
  docker: { package: 'docker.io', places: onPath('docker') },
  'docker-20': { package: 'docker.io', places: onPath('docker'), generation: '20.' },
  // The last generation with content trust.
  'docker-28': {
    package: 'docker-cli (sid)',
    places: () => [...onPath('docker')(), ...cached('docker-cli-sid', 'docker')()],
    generation: '28.',
  },
  dockerd: { package: 'docker.io', places: onPath('dockerd'), root: true },
  // Of Debian's newest release: engine, its containerd and CLI, whatever their version is by now.
  'docker-new': { package: 'docker-cli (sid)', places: cached('docker-cli-sid', 'docker') },
  'dockerd-new': {
    package: 'docker.io (sid)',
    places: cached('docker.io-sid', 'dockerd'),
    root: true,
  },
  'containerd-new': {
    package: 'containerd (sid)',
    places: cached('containerd-sid', 'containerd'),
    root: true,
  },
  'ctr-new': { package: 'containerd (sid)', places: cached('containerd-sid', 'ctr'), root: true },
  buildx: { package: 'docker-buildx (sid)', places: cached('docker-buildx-sid', 'docker-buildx') },
  containerd: { package: 'containerd', places: onPath('containerd'), root: true },
  ctr: { package: 'containerd', places: onPath('ctr'), root: true },
  podman: { package: 'podman', places: onPath('podman'), root: true },
  buildah: { package: 'buildah', places: onPath('buildah'), root: true },
  crane: { package: 'crane (sid)', places: cached('crane-sid', 'crane') },
  oras: { package: 'oras (sid)', places: cached('oras-sid', 'oras') },
  skopeo: { package: 'skopeo', places: onPath('skopeo') },
  'skopeo-1.18': { package: 'skopeo (trixie)', places: cached('skopeo-1.18', 'skopeo') },
  'cosign-2': { package: 'cosign (trixie)', places: cached('cosign-2', 'cosign') },
  'cosign-3': { package: 'cosign (sid)', places: cached('cosign-3', 'cosign') },
  'docker-registry': { package: 'docker-registry', places: onPath('docker-registry') },
  umoci: { package: 'umoci', places: onPath('umoci') },
  busybox: { package: 'busybox-static', places: onPath('busybox') },
  htpasswd: { package: 'apache2-utils', places: onPath('htpasswd') },
  wrk: { package: 'wrk', places: onPath('wrk') },
  curl: { package: 'curl', places: onPath('curl') },
  openssl: { package: 'openssl', places: onPath('openssl') },
  notary: { package: 'notary', places: onPath('notary') },
  'notary-server': { package: 'notary', places: onPath('notary-server') },
  'notary-signer': { package: 'notary', places: onPath('notary-signer') },
  postgres: { package: 'postgresql', places: ofPostgres('postgres') },
  initdb: { package: 'postgresql', places: ofPostgres('initdb') },
  psql: { package: 'postgresql', places: ofPostgres('psql') },
  pg_dump: { package: 'postgresql', places: ofPostgres('pg_dump') },
  mariadbd: { package: 'mariadb-server-core', places: onPath('mariadbd') },
  'mariadb-install-db': { package: 'mariadb-server-core', places: onPath('mariadb-install-db') },
  mariadb: { package: 'mariadb-client-core', places: onPath('mariadb') },
  'mariadb-dump': { package: 'mariadb-client', places: onPath('mariadb-dump') },
} as const satisfies Record<string, Row>;

/** The name of a program that suites ask for. */
export type ClientName = keyof typeof CLIENTS;

const found = new Map<ClientName, Client | null>();

/** The client, or `null` where this machine lacks it (or lacks root, where the client needs that). */
export function findClient(name: ClientName): Client | null {
  const known = found.get(name);
  if (known !== undefined) return known;
  const row: Row = CLIENTS[name];
  const client = row.root === true && process.getuid?.() !== 0 ? null : search(row);
  found.set(name, client);
  return client;
}

/** The path of a client that the suite has declared to need. Throws where it is missing. */
export function clientPath(name: ClientName): string {
  const client = findClient(name);
  if (client === null) throw new Error(`expected ${name} (${missing(name)})`);
  return client.path;
}

/** What a machine without the client lacks, for a person: the client, its Debian package, and root where that is it. */
export function missing(name: ClientName): string {
  const row: Row = CLIENTS[name];
  const root = row.root === true && process.getuid?.() !== 0 ? ', run as root' : '';
  return `${name}: Debian package ${row.package}${root}`;
}

function search(row: Row): Client | null {
  for (const path of row.places()) {
    if (!executable(path)) continue;
    const version = versionOf(path, row.package);
    if (row.generation === undefined || version.startsWith(row.generation)) {
      return { path, version, package: row.package };
    }
  }
  return null;
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

// The package's own word first (cosign of Debian prints "devel"), then the program's, then dpkg's.
function versionOf(path: string, name: string): string {
  const beside = join(dirname(path), 'version');
  if (existsSync(beside)) return readFileSync(beside, 'utf8').trim();
  const said = spawnSync(path, ['--version'], { encoding: 'utf8', timeout: 10_000 });
  const number = / v?([0-9]+\.[0-9][^\s,]*)/.exec(said.stdout)?.[1];
  if (number !== undefined) return number;
  const dpkg = spawnSync('dpkg-query', ['-W', '-f', '${Version}', name], { encoding: 'utf8' });
  return dpkg.status === 0 ? dpkg.stdout.trim() : 'of unknown version';
}
