import { nearest } from '../lib/nearest.ts';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import type { ServeFlags } from './config.ts';
import type { Written, WrittenConfig, WrittenRegistry } from './written.ts';
import { readWrittenAccess } from './written.ts';

/** Variables of the settings; the other commands have some more of their own. */
export const VARIABLES = {
  COUNTERSIGN_CONFIG: 'the configuration file',
  COUNTERSIGN_LISTEN: 'listen',
  COUNTERSIGN_TLS: 'tls: auto or off',
  COUNTERSIGN_TLS_CERT: 'tls.cert',
  COUNTERSIGN_TLS_KEY: 'tls.key',
  COUNTERSIGN_DATA: 'data',
  COUNTERSIGN_STORE: 'store',
  COUNTERSIGN_POLICIES: 'policies',
  COUNTERSIGN_HOST: 'registries[0].host',
  COUNTERSIGN_ALIASES: 'registries[0].aliases, separated by commas',
  COUNTERSIGN_UPSTREAM: 'registries[0].upstream',
  COUNTERSIGN_CA: 'registries[0].ca',
  COUNTERSIGN_USERNAME: 'registries[0].credentials.username',
  COUNTERSIGN_PASSWORD_FILE: 'registries[0].credentials.passwordFile',
  COUNTERSIGN_REALM: 'registries[0].realm',
  COUNTERSIGN_STORAGE: 'registries[0].storage, separated by commas',
  COUNTERSIGN_HTPASSWD: 'identities.htpasswd',
  COUNTERSIGN_ACCESS: 'access, in the form it has in the file',
  COUNTERSIGN_MASTER_KEY_FILE: 'notary.masterKeyFile',
  COUNTERSIGN_MASTER_KEY: 'the master key itself, instead of a file',
  COUNTERSIGN_NOTARY_KEY_TYPE: 'notary.keyType',
} as const;

type Variable = keyof typeof VARIABLES;
/** The environment, as `process.env` has it. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A variable's value; an empty one counts as not set, as compose files and units write "none". */
export function variable(env: Environment, name: Variable, base: string): Written | undefined {
  const text = env[name];
  return text === undefined || text === '' ? undefined : { text, at: name, base };
}

function flag(value: string | undefined, name: string, base: string): Written | undefined {
  return value === undefined ? undefined : { text: value, at: name, base };
}

/**
 * Lays variables over the file and flags over both. Settings of a registry by variable or flag need
 * that the file has one registry at most: else nobody could say which one is meant.
 */
export function overlay(
  file: WrittenConfig,
  env: Environment,
  flags: ServeFlags,
  base: string,
): Result<WrittenConfig> {
  const from = (name: Variable): Written | undefined => variable(env, name, base);
  const tls = overlayTls(file, env, flags, base);
  if (!tls.ok) return tls;
  const registries = overlayRegistry(file, env, flags, base);
  if (!registries.ok) return registries;
  const asked = from('COUNTERSIGN_ACCESS');
  const access =
    asked === undefined ? ok(file.access) : readWrittenAccess(asked.text, asked.at, base);
  if (!access.ok) return access;
  return ok({
    listen: flag(flags.listen, '--listen', base) ?? from('COUNTERSIGN_LISTEN') ?? file.listen,
    tls: tls.value,
    data: flag(flags.data, '--data', base) ?? from('COUNTERSIGN_DATA') ?? file.data,
    store: from('COUNTERSIGN_STORE') ?? file.store,
    policies:
      flag(flags.policies, '--policies', base) ?? from('COUNTERSIGN_POLICIES') ?? file.policies,
    registries: registries.value,
    htpasswd: from('COUNTERSIGN_HTPASSWD') ?? file.htpasswd,
    access: access.value,
    masterKeyFile: from('COUNTERSIGN_MASTER_KEY_FILE') ?? file.masterKeyFile,
    keyType: from('COUNTERSIGN_NOTARY_KEY_TYPE') ?? file.keyType,
  });
}

function overlayTls(
  file: WrittenConfig,
  env: Environment,
  flags: ServeFlags,
  base: string,
): Result<WrittenConfig['tls']> {
  if (flags.http === true) return ok({ text: 'off', at: '--http', base });
  const word = variable(env, 'COUNTERSIGN_TLS', base);
  const cert = variable(env, 'COUNTERSIGN_TLS_CERT', base);
  const key = variable(env, 'COUNTERSIGN_TLS_KEY', base);
  if ((cert === undefined) !== (key === undefined) || (cert !== undefined && word !== undefined)) {
    return refuse(
      'CONFIG_INVALID',
      'expected either COUNTERSIGN_TLS or both of COUNTERSIGN_TLS_CERT and COUNTERSIGN_TLS_KEY',
    );
  }
  if (cert !== undefined && key !== undefined) return ok({ cert, key });
  return ok(word ?? file.tls);
}

function overlayRegistry(
  file: WrittenConfig,
  env: Environment,
  flags: ServeFlags,
  base: string,
): Result<readonly WrittenRegistry[]> {
  const from = (name: Variable): Written | undefined => variable(env, name, base);
  const list = (name: Variable): readonly Written[] | undefined => {
    const whole = from(name);
    return whole?.text.split(',').map((text) => ({ ...whole, text: text.trim() }));
  };
  const settings: Omit<WrittenRegistry, 'at'> = {
    host: from('COUNTERSIGN_HOST'),
    aliases: list('COUNTERSIGN_ALIASES'),
    upstream: flag(flags.upstream, '--upstream', base) ?? from('COUNTERSIGN_UPSTREAM'),
    ca: from('COUNTERSIGN_CA'),
    username: from('COUNTERSIGN_USERNAME'),
    passwordFile: from('COUNTERSIGN_PASSWORD_FILE'),
    realm: from('COUNTERSIGN_REALM'),
    storage: list('COUNTERSIGN_STORAGE'),
  };
  const set = Object.entries(settings).filter(([, value]) => value !== undefined);
  const [first, second] = file.registries ?? [];
  if (set.length === 0) return ok(file.registries ?? [{ at: 'the configuration' }]);
  if (second !== undefined) {
    const names = set.map(([name]) => name).join(', ');
    return refuse(
      'CONFIG_INVALID',
      `expected one registry at most in the file where variables or flags set ${names}, found several; set it in the file`,
    );
  }
  return ok([{ at: 'the configuration', ...first, ...Object.fromEntries(set) }]);
}

/** Variables of the program that are no settings of the service. */
const OTHERS = ['COUNTERSIGN_DEBUG'];

/** Warns of variables that are no settings: a misspelt one would otherwise be ignored in silence. */
export function unknownVariables(env: Environment): readonly string[] {
  const known = Object.keys(VARIABLES);
  return Object.keys(env).flatMap((name) => {
    // Kubernetes sets COUNTERSIGN_PORT… and COUNTERSIGN_SERVICE_… beside a service of that name.
    if (!/^COUNTERSIGN_(?!PORT|SERVICE_)/.test(name)) return [];
    if (known.includes(name) || OTHERS.includes(name)) return [];
    const near = nearest(
      name.slice(PREFIX.length),
      known.map((one) => one.slice(PREFIX.length)),
    );
    const hint = near === undefined ? '' : `; did you mean ${PREFIX}${near}?`;
    return [`the variable ${name.slice(0, 80)} is no setting and is ignored${hint}`];
  });
}

const PREFIX = 'COUNTERSIGN_';
