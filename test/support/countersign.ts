import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Child } from './child.ts';
import { freePort, startChild, waitFor } from './child.ts';
import { answers } from './docker-registry.ts';
import type { Ran, RunOptions } from './run.ts';
import { mustRun, run } from './run.ts';

/** What `countersign` runs. */
export const ENTRY = join(import.meta.dirname, '..', '..', 'bin', 'countersign.js');
const PASSPHRASE = 'a test passphrase';

/** One person's or one machine's set-up: key store, credentials and policies in one folder. */
export interface Site {
  readonly folder: string;
  readonly policies: string;
  /** The environment in which this site's commands run. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Runs `countersign ARGS` as a person would. */
  cli(args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** Generates a signing key whose public half lies in the policies folder as `keys/NAME.pub`. */
  key(name: string, type?: string): Promise<void>;
  /** Writes `policies/NAME.yaml`. */
  policy(yaml: string, name?: string): void;
  /** Logs this site's commands in at a host, as `docker login` writes it down. */
  login(host: string, user: string, password: string): void;
}

/** Lays out a site under `folder`. */
export function createSite(folder: string): Site {
  const policies = join(folder, 'policies');
  const config = join(folder, 'docker-config');
  for (const dir of [join(policies, 'keys'), config]) mkdirSync(dir, { recursive: true });
  const env = {
    HOME: folder,
    DOCKER_CONFIG: config,
    DOCKER_CONTENT_TRUST: undefined,
    DOCKER_CONTENT_TRUST_SERVER: undefined,
    DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: PASSPHRASE,
    DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: PASSPHRASE,
    // `countersign` must not find the suite's own runner in its environment.
    VITEST: undefined,
    NODE_OPTIONS: undefined,
  };
  const cli: Site['cli'] = (args, options = {}) =>
    run(process.execPath, [ENTRY, ...args], {
      cwd: folder,
      ...options,
      env: { ...env, ...options.env },
    });
  return {
    folder,
    policies,
    env,
    cli,
    key: async (name, type = 'ed25519') => {
      const args = ['key', 'generate', name, '--type', type, '--out', join(policies, 'keys')];
      await mustRun(process.execPath, [ENTRY, ...args], { cwd: folder, env });
    },
    policy: (yaml, name = 'policy') => writeFileSync(join(policies, `${name}.yaml`), yaml),
    login: (host, user, password) => {
      const auth = Buffer.from(`${user}:${password}`).toString('base64');
      const auths = { [host]: { auth } };
      writeFileSync(join(config, 'config.json'), JSON.stringify({ auths }), { mode: 0o600 });
    },
  };
}

/** A running `countersign serve`. */
export interface Service {
  /** `127.0.0.1:PORT`, as a client writes it before an image's name. */
  readonly host: string;
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** All that it has logged so far, over restarts. */
  readonly logs: () => string;
  /** Ends it as an operator does; returns its exit status. */
  stop(): Promise<number>;
  /** kill -9. */
  kill(): Promise<void>;
  /** Starts it again on the same port, with the same data; it must have ended before. */
  start(): Promise<void>;
}

/**
 * Starts `countersign serve` over plain HTTP (with `tls` also TLS) on a free loopback port and waits until it is ready.
 * `upstream` as on the command line, or `config` as the text of a configuration file, with the
 * listening address left to this function.
 */
export async function startService(
  site: Site,
  options: {
    readonly upstream?: string;
    readonly config?: (host: string) => string;
    readonly env?: Readonly<Record<string, string | undefined>>;
    readonly name?: string;
    /** `127.0.0.1:PORT`, where a suite has to know the name before. */
    readonly host?: string;
    /** Serves TLS too, as `tls` of `config` says. */
    readonly tls?: boolean;
    /** `info` (every request), where nothing is said. */
    readonly logLevel?: string;
  } = {},
): Promise<Service> {
  const host = options.host ?? `127.0.0.1:${await freePort()}`;
  const url = `http://${host}`;
  const name = options.name ?? 'service';
  const args = ['serve', '--listen', host];
  if (options.tls !== true) args.push('--http');
  if (options.logLevel !== undefined) args.push('--log-level', options.logLevel);
  args.push('--data', join(site.folder, `${name}-data`), '--policies', site.policies);
  if (options.upstream !== undefined) args.push('--upstream', options.upstream);
  if (options.config !== undefined) {
    const file = join(site.folder, `${name}.yaml`);
    writeFileSync(file, options.config(host));
    args.push('--config', file);
  }
  let before = '';
  const start = async (): Promise<Child> => {
    const child = startChild(process.execPath, [ENTRY, ...args], {
      cwd: site.folder,
      env: { ...site.env, ...options.env },
    });
    await waitFor(child, 'countersign serve', () =>
      /^countersign ready on \S+$/m.test(child.stdout()) ? true : undefined,
    );
    await waitFor(child, 'countersign /readyz', () => answers(`${url}/readyz`));
    return child;
  };
  let child = await start();
  const keepLogs = (): void => {
    before += child.stdout() + child.stderr();
  };
  return {
    host,
    url,
    logs: () => before + (child.running() ? child.stdout() + child.stderr() : ''),
    stop: async () => {
      if (!child.running()) return 0;
      const code = await child.stop();
      keepLogs();
      return code;
    },
    kill: async () => {
      await child.kill();
      keepLogs();
    },
    start: async () => {
      if (child.running()) throw new Error('expected the service to have ended');
      child = await start();
    },
  };
}
