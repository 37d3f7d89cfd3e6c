import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeBase64, decodeUtf8 } from '../lib/bytes.ts';
import { CountersignError, messageOf } from '../lib/errors.ts';
import type { Json, JsonObject } from '../lib/json.ts';
import { isObject, parseJson } from '../lib/json.ts';
import { quote } from '../lib/quote.ts';
import { isLoopbackHost } from './tls.ts';

/** What a person logs in with at one registry. */
export type Credential =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  /** An OAuth2 refresh token (docker's `identitytoken`). */
  | { readonly kind: 'identity-token'; readonly token: string };

/** Gives the credential for exactly this host (`name[:port]`), or `null`. Throws CONFIG_INVALID. */
export type CredentialSource = (host: string) => Promise<Credential | null>;

/** Nobody in particular. */
export const NO_CREDENTIALS: CredentialSource = () => Promise.resolve(null);

const CONFIG_BYTES = 1024 * 1024;
const HELPER_BYTES = 64 * 1024;
const HELPER_MS = 30_000;
const HELPER_NAME = /^[a-z0-9-]{1,64}$/;

/**
 * Credentials from docker's `config.json` in a folder: the host's helper (`credHelpers`), else the
 * general one (`credsStore`), else `auths`. Read when first asked for: a command that needs no login
 * never starts a helper.
 */
export function dockerCredentials(folder: string): CredentialSource {
  let config: Promise<JsonObject> | undefined;
  return async (host) => {
    config ??= readConfig(join(folder, 'config.json'));
    const loaded = await config;
    const keys = serverKeys(host);
    const helper = helperOf(loaded, keys);
    if (helper !== undefined) {
      const found = await askHelper(helper, keys[0] as string);
      if (found !== null) return found;
    }
    const auths = loaded['auths'];
    if (!isObject(auths)) return null;
    for (const key of keys) {
      const entry = auths[key];
      const credential = isObject(entry) ? readEntry(entry, key) : null;
      if (credential !== null) return credential;
    }
    return null;
  };
}

/** The names under which docker files a host's login; Docker Hub has a legacy one. Only the exact host, never a parent or sibling. */
function serverKeys(host: string): readonly string[] {
  if (host === 'docker.io') return ['https://index.docker.io/v1/', 'docker.io', 'index.docker.io'];
  const keys = [host, `https://${host}`, `https://${host}/v1/`, `https://${host}/v2/`];
  // The canonical form drops the default port; people may have logged in with it.
  if (!/:[0-9]+$/.test(host)) keys.push(`${host}:443`);
  if (isLoopbackHost(host)) keys.push(`http://${host}`, `http://${host}/v1/`, `http://${host}/v2/`);
  return keys;
}

async function readConfig(file: string): Promise<JsonObject> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw invalid(`cannot read ${file}: ${messageOf(error)}`, error);
  }
  const parsed = parseJson(bytes, { maxBytes: CONFIG_BYTES });
  if (!parsed.ok) throw invalid(`${file}: ${parsed.refusal.message}`);
  if (!isObject(parsed.value)) throw invalid(`${file}: expected an object`);
  return parsed.value;
}

function helperOf(config: JsonObject, keys: readonly string[]): string | undefined {
  const perHost = config['credHelpers'];
  if (isObject(perHost)) {
    const named = keys.map((key) => perHost[key]).find((name) => typeof name === 'string');
    if (named !== undefined) return named as string;
  }
  const general = config['credsStore'];
  return typeof general === 'string' && general !== '' ? general : undefined;
}

function readEntry(entry: JsonObject, key: string): Credential | null {
  const { identitytoken, auth, username, password } = entry;
  if (typeof identitytoken === 'string' && identitytoken !== '')
    return { kind: 'identity-token', token: identitytoken };
  if (typeof auth === 'string' && auth !== '') {
    const bytes = decodeBase64(auth);
    const text = bytes === undefined ? undefined : decodeUtf8(bytes);
    const colon = text?.indexOf(':') ?? -1;
    if (text === undefined || colon < 1)
      throw invalid(`expected base64 of user:password in "auth" of ${key}; log in again`);
    // docker pads what it writes with NUL bytes.
    return {
      kind: 'password',
      username: text.slice(0, colon),
      password: text.slice(colon + 1).replace(/\0+$/, ''),
    };
  }
  if (typeof username === 'string' && username !== '' && typeof password === 'string')
    return { kind: 'password', username, password };
  return null;
}

async function askHelper(name: string, server: string): Promise<Credential | null> {
  if (!HELPER_NAME.test(name)) {
    throw invalid(
      `expected a credential helper's name of a-z, 0-9 and -, found ${quote(name, 64)}`,
    );
  }
  const program = `docker-credential-${name}`;
  const { status, output } = await runHelper(program, server);
  if (status !== 0) {
    // The protocol's one answer that is no failure (docker-credential-helpers, "credentials not found").
    if (/credentials not found/i.test(output)) return null;
    throw invalid(`${program} failed with status ${status} for ${server}`);
  }
  const parsed = parseJson(Buffer.from(output), { maxBytes: HELPER_BYTES });
  if (!parsed.ok || !isObject(parsed.value))
    throw invalid(`${program} answered something else than a credential for ${server}`);
  const username: Json | undefined = parsed.value['Username'];
  const secret: Json | undefined = parsed.value['Secret'];
  if (typeof username !== 'string' || typeof secret !== 'string' || secret === '') return null;
  return username === '<token>'
    ? { kind: 'identity-token', token: secret }
    : { kind: 'password', username, password: secret };
}

function runHelper(
  program: string,
  server: string,
): Promise<{ readonly status: number | null; readonly output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ['get'], { stdio: ['pipe', 'pipe', 'ignore'] });
    const chunks: Buffer[] = [];
    let size = 0;
    const fail = (message: string, cause?: unknown): void => {
      clearTimeout(timer);
      child.kill('SIGKILL');
      reject(invalid(message, cause));
    };
    const timer = setTimeout(
      () => fail(`${program} did not answer within ${HELPER_MS / 1000} s`),
      HELPER_MS,
    );
    child.on('error', (error) => fail(`cannot run ${program}: ${messageOf(error)}`, error));
    child.stdin.on('error', () => {}); // a helper may exit without reading
    child.stdin.end(server);
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.byteLength;
      if (size > HELPER_BYTES) fail(`${program} answered more than ${HELPER_BYTES} bytes`);
      else chunks.push(chunk);
    });
    child.on('close', (status) => {
      clearTimeout(timer);
      resolve({ status, output: Buffer.concat(chunks).toString('utf8') });
    });
  });
}

function invalid(message: string, cause?: unknown): CountersignError {
  return new CountersignError('CONFIG_INVALID', message, cause === undefined ? {} : { cause });
}
