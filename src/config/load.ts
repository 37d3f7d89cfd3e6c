import { access } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { readBoundedFile } from '../lib/file.ts';
import { LIMITS } from '../lib/limits.ts';
import { isLoopback } from '../lib/loopback.ts';
import { quote } from '../lib/quote.ts';
import type { Result } from '../lib/result.ts';
import { ok } from '../lib/result.ts';
import type { Config, ServeFlags, TlsSetting } from './config.ts';
import { dockerConfigFolder } from './docker-folder.ts';
import { readAccess } from './identities.ts';
import type { ListenAddress } from './listen.ts';
import { parseListen } from './listen.ts';
import { readNotary } from './notary.ts';
import { Problems } from './problems.ts';
import { readRegistries } from './registries.ts';
import type { Environment } from './sources.ts';
import { overlay, unknownVariables, variable } from './sources.ts';
import type { Written, WrittenConfig } from './written.ts';
import { readWritten } from './written.ts';

/** Where a configuration comes from. */
export interface ConfigSources {
  /** The file named by `--config`; without it `COUNTERSIGN_CONFIG`, then `countersign.yaml` in the folder, if there. */
  readonly file?: string | undefined;
  readonly flags: ServeFlags;
  readonly env: Environment;
  /** The folder that relative paths of flags and variables are meant from; the process's own where not given. */
  readonly cwd?: string;
}

const DEFAULT_FILE = 'countersign.yaml';
const DEFAULT_LISTEN: ListenAddress = { host: '127.0.0.1', port: 5443 };

/**
 * Reads the configuration: flag beats variable beats file beats default. Every error is
 * collected as `place: message`; nothing that this version cannot do is ignored.
 */
export async function loadConfig(sources: ConfigSources): Promise<Result<Config>> {
  const cwd = resolve(sources.cwd ?? '.');
  const file = await readFileOf(sources, cwd);
  if (!file.ok) return file;
  const written = overlay(file.value, sources.env, sources.flags, cwd);
  if (!written.ok) return written;
  const problems = new Problems();
  for (const warning of unknownVariables(sources.env)) problems.warn(warning);
  return check(written.value, cwd, sources.env, problems);
}

async function readFileOf(sources: ConfigSources, cwd: string): Promise<Result<WrittenConfig>> {
  const asked =
    sources.file ?? variable(sources.env, 'COUNTERSIGN_CONFIG', cwd)?.text ?? (await found(cwd));
  if (asked === undefined) return ok({});
  const path = resolve(cwd, asked);
  const content = await readBoundedFile(path, LIMITS.configFileBytes, 'CONFIG_INVALID');
  return content.ok ? readWritten(content.value.bytes, asked, dirname(path)) : content;
}

async function found(cwd: string): Promise<string | undefined> {
  try {
    await access(resolve(cwd, DEFAULT_FILE));
    return DEFAULT_FILE;
  } catch {
    return undefined;
  }
}

async function check(
  written: WrittenConfig,
  cwd: string,
  env: Environment,
  problems: Problems,
): Promise<Result<Config>> {
  const path = (setting: Written | undefined, otherwise: string): string =>
    resolve(setting?.base ?? cwd, setting?.text ?? otherwise);
  const listen = readListen(written.listen, problems);
  const tls = readTls(written, listen, problems);
  if (written.store !== undefined && written.store.text !== 'sqlite') {
    // The value may hold a password (postgres://user:password@…): it is not shown.
    problems.add(
      written.store.at,
      'expected store: sqlite; other stores are not available in this version',
    );
  }
  const registries = await readRegistries(
    written.registries ?? [],
    listen,
    dockerConfigFolder(env),
    problems,
  );
  const rules = readAccess(written.access ?? [], registries, problems);
  checkIdentities(written, problems);
  const data = path(written.data, './countersign-data');
  const masterKey = variable(env, 'COUNTERSIGN_MASTER_KEY', cwd);
  return problems.finish({
    listen,
    tls,
    data,
    store: 'sqlite',
    policies: path(written.policies, './policies'),
    registries,
    identities: written.htpasswd === undefined ? null : { htpasswd: path(written.htpasswd, '') },
    access: rules,
    notary: readNotary(written, masterKey, data, problems),
    warnings: problems.warnings,
  });
}

function readListen(written: Written | undefined, problems: Problems): ListenAddress {
  if (written === undefined) return DEFAULT_LISTEN;
  const listen = parseListen(written.text);
  if (listen.ok) return listen.value;
  problems.add(written.at, listen.refusal.message);
  return DEFAULT_LISTEN;
}

function readTls(written: WrittenConfig, listen: ListenAddress, problems: Problems): TlsSetting {
  const { tls } = written;
  if (tls === undefined) return 'auto';
  if ('cert' in tls) {
    return {
      cert: resolve(tls.cert.base, tls.cert.text),
      key: resolve(tls.key.base, tls.key.text),
    };
  }
  if (tls.text === 'off' && !isLoopback(listen.host)) {
    problems.warn(
      `${tls.at}: without TLS on ${listen.host}, passwords and images pass in the clear; put a TLS terminator in front, or remove the setting`,
    );
  }
  if (tls.text === 'auto' || tls.text === 'off') return tls.text;
  problems.add(tls.at, `expected tls: auto, off or {cert, key}, found ${quote(tls.text, 40)}`);
  return 'auto';
}

/** Rights need identities, and the gate lends its own credentials to identities only. */
function checkIdentities(written: WrittenConfig, problems: Problems): void {
  const { htpasswd, access: rules = [] } = written;
  if (htpasswd !== undefined) {
    if (rules.length === 0) {
      problems.warn(
        `${htpasswd.at}: there are identities but no access rules, so everything is denied; add access`,
      );
    }
    return;
  }
  for (const registry of written.registries ?? []) {
    if (registry.username === undefined) continue;
    problems.add(
      registry.username.at,
      'expected identities where credentials are set: without them anyone could use the rights of the gate; add identities.htpasswd and access',
    );
  }
  if (written.access !== undefined) {
    problems.add(
      rules[0]?.at ?? 'access',
      'expected identities where access is set: without them nobody has a name; add identities.htpasswd',
    );
  }
}
