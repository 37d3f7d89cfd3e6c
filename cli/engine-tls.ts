import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { EngineTls } from '../src/oci/engine.ts';

/** Docker's own flags for TLS with its engine, where they were given. */
export interface EngineTlsFlags {
  readonly tls?: boolean | undefined;
  readonly tlsverify?: boolean | undefined;
  readonly tlscacert?: string | undefined;
  readonly tlscert?: string | undefined;
  readonly tlskey?: string | undefined;
}

/**
 * Whether docker would speak TLS with the engine, and with which files (docker/cli, opts.go): by its
 * flags, `DOCKER_TLS_VERIFY` or `DOCKER_TLS`, with ca.pem, cert.pem and key.pem of `DOCKER_CERT_PATH` or
 * its own folder. `undefined`: in the clear. Logins and images pass there, so nothing of it is left out.
 */
export function engineTls(
  env: NodeJS.ProcessEnv,
  dockerConfig: string,
  flags: EngineTlsFlags = {},
): EngineTls | undefined {
  const given = (name: string): boolean => (env[name] ?? '') !== '';
  const verify = flags.tlsverify ?? given('DOCKER_TLS_VERIFY');
  // Docker turns TLS on wherever --tlsverify stands, also as --tlsverify=false.
  const on = verify || flags.tlsverify !== undefined || (flags.tls ?? given('DOCKER_TLS'));
  if (!on) return undefined;
  const folder = given('DOCKER_CERT_PATH') ? (env['DOCKER_CERT_PATH'] ?? '') : dockerConfig;
  return {
    ca: flags.tlscacert ?? join(folder, 'ca.pem'),
    cert: flags.tlscert ?? fileIn(folder, 'cert.pem'),
    key: flags.tlskey ?? fileIn(folder, 'key.pem'),
    verify,
  };
}

/** The path of a file in a folder; `null` where it is not there. */
export function fileIn(folder: string, name: string): string | null {
  const path = join(folder, name);
  return existsSync(path) ? path : null;
}
