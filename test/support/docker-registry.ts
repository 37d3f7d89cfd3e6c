import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { stringify } from 'yaml';
import type { Child } from './child.ts';
import { freePort, startChild, waitFor } from './child.ts';
import { clientPath } from './clients.ts';
import { mustRun } from './run.ts';
import type { TokenServer } from './token-server.ts';

/** Debian's docker-registry, running on loopback over plain HTTP. */
export interface DockerRegistry {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  stop(): Promise<void>;
  /** Starts it again on the same port with the same content. */
  restart(): Promise<void>;
}

/** Who may use a registry. */
export interface DockerRegistryOptions {
  /** Names and passwords for Basic authentication. */
  readonly users?: Readonly<Record<string, string>>;
  /** A token server whose bearer tokens it takes. */
  readonly tokens?: Pick<TokenServer, 'realm' | 'service' | 'issuer' | 'certificates'>;
}

/**
 * Starts a registry that keeps its content under `folder`; without options everybody may use it.
 * Deletes are enabled.
 */
export async function startDockerRegistry(
  folder: string,
  options: DockerRegistryOptions = {},
): Promise<DockerRegistry> {
  mkdirSync(folder, { recursive: true });
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const url = `http://${host}`;
  const auth = await authOf(folder, options);
  const file = join(folder, 'registry.yml');
  writeFileSync(
    file,
    stringify({
      version: 0.1,
      log: { level: 'warn', accesslog: { disabled: true } },
      storage: {
        filesystem: { rootdirectory: join(folder, 'content') },
        delete: { enabled: true },
        maintenance: { uploadpurging: { enabled: false } },
      },
      http: { addr: host },
      ...auth,
    }),
  );
  const start = async (): Promise<Child> => {
    const child = startChild(clientPath('docker-registry'), ['serve', file]);
    await waitFor(child, 'docker-registry', () => answers(`${url}/v2/`));
    return child;
  };
  let child = await start();
  return {
    host,
    url,
    stop: async () => {
      await child.stop();
    },
    restart: async () => {
      await child.stop();
      child = await start();
    },
  };
}

async function authOf(folder: string, { users, tokens }: DockerRegistryOptions): Promise<object> {
  if (tokens !== undefined) {
    const rootcertbundle = join(folder, 'token-authority.pem');
    writeFileSync(rootcertbundle, tokens.certificates);
    const { realm, service, issuer } = tokens;
    return { auth: { token: { realm, service, issuer, rootcertbundle } } };
  }
  if (users === undefined) return {};
  return { auth: { htpasswd: { realm: 'registry', path: await writeHtpasswd(folder, users) } } };
}

/** Writes a bcrypt htpasswd file with Apache's own tool; returns its path. */
export async function writeHtpasswd(
  folder: string,
  users: Readonly<Record<string, string>>,
): Promise<string> {
  const file = join(folder, 'users.htpasswd');
  writeFileSync(file, '');
  for (const [name, password] of Object.entries(users)) {
    // Cost 5: these passwords guard nothing, and every request of a test pays for the hash.
    await mustRun(clientPath('htpasswd'), ['-iBC', '5', file, name], { input: `${password}\n` });
  }
  return file;
}

/** `true` once anything answers HTTP there with less than a 500, else `undefined`. */
export async function answers(url: string): Promise<true | undefined> {
  try {
    const answer = await request(url);
    await answer.body.dump();
    return answer.statusCode < 500 ? true : undefined;
  } catch {
    return undefined;
  }
}
