import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClientName } from './clients.ts';
import { clientPath } from './clients.ts';
import type { Ran, RunOptions } from './run.ts';
import { mustRun, run } from './run.ts';

/** What opens every key of a home. */
export const TRUST_PASSPHRASE = 'a trust passphrase';

/** One person's docker: a configuration folder, with the key store and the cache of trust data in it. */
export interface DockerHome {
  /** `$DOCKER_CONFIG`. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `docker ARGS`, with content trust as the home has it. */
  docker(...args: readonly string[]): Promise<Ran>;
  /** The same with more to say. */
  run(args: readonly string[], options: RunOptions): Promise<Ran>;
  /** Throws what docker said where it exits with anything but 0. */
  must(...args: readonly string[]): Promise<Ran>;
  /** `docker ARGS` with content trust off, as Docker 29 has it. Throws where it fails. */
  plain(...args: readonly string[]): Promise<Ran>;
}

/** Makes one in a new folder. */
export function dockerHome(
  folder: string,
  options: {
    /** The engine's address. */
    readonly engine: string;
    readonly client: ClientName;
    /** DOCKER_CONTENT_TRUST_SERVER; without, docker asks the registry's own host. */
    readonly server?: string;
    /** The authority behind the trust server's certificate, where the image's registry is not on loopback. */
    readonly ca?: string;
  },
): DockerHome {
  mkdirSync(folder, { recursive: true });
  if (options.server !== undefined && options.ca !== undefined) {
    const tls = join(folder, 'tls', new URL(options.server).host);
    mkdirSync(tls, { recursive: true });
    writeFileSync(join(tls, 'root_ca.crt'), options.ca);
  }
  const env = {
    HOME: folder,
    DOCKER_HOST: options.engine,
    DOCKER_CONFIG: folder,
    DOCKER_CONTEXT: undefined,
    DOCKER_BUILDKIT: '0',
    DOCKER_CONTENT_TRUST: '1',
    DOCKER_CONTENT_TRUST_SERVER: options.server,
    DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: TRUST_PASSPHRASE,
    DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: TRUST_PASSPHRASE,
  };
  const path = clientPath(options.client);
  const home: DockerHome = {
    folder,
    env,
    docker: (...args) => run(path, args, { env, cwd: folder }),
    run: (args, more) => run(path, args, { cwd: folder, ...more, env: { ...env, ...more.env } }),
    must: (...args) => mustRun(path, args, { env, cwd: folder }),
    plain: (...args) =>
      mustRun(path, args, { env: { ...env, DOCKER_CONTENT_TRUST: undefined }, cwd: folder }),
  };
  return home;
}

/** Logs a home in at a host, as `docker login` writes it down. */
export function logIn(home: DockerHome, host: string, user: string, password: string): void {
  const auth = Buffer.from(`${user}:${password}`).toString('base64');
  writeFileSync(join(home.folder, 'config.json'), JSON.stringify({ auths: { [host]: { auth } } }));
}
