import { X509Certificate } from 'node:crypto';
import { resolve } from 'node:path';
import { decodeUtf8 } from '../lib/bytes.ts';
import { readBoundedFile } from '../lib/file.ts';
import { LIMITS } from '../lib/limits.ts';
import { isLoopback } from '../lib/loopback.ts';
import { parseHost } from '../oci/reference.ts';
import type { RegistryConfig } from './config.ts';
import type { ListenAddress } from './listen.ts';
import { impliedNames, isWildcard } from './listen.ts';
import type { Problems } from './problems.ts';
import type { Written, WrittenRegistry } from './written.ts';

/** Longest password that a registry is asked with; more in the file is a mistake. */
const PASSWORD_BYTES = 4096;

/** Checks every registry and reads its files; what is wrong is collected. */
export async function readRegistries(
  written: readonly WrittenRegistry[],
  listen: ListenAddress,
  problems: Problems,
): Promise<readonly RegistryConfig[]> {
  const out: RegistryConfig[] = [];
  for (const one of written) out.push(await readRegistry(one, listen, problems));
  const seen = new Map<string, string>();
  for (const [i, registry] of out.entries()) {
    const at = written[i]?.at ?? '';
    for (const name of [registry.host, ...registry.aliases]) {
      const other = seen.get(name);
      if (other !== undefined) {
        problems.add(at, `expected every host and alias once, found ${name} also at ${other}`);
      } else seen.set(name, at);
    }
  }
  const embedded = out.flatMap((r, i) => (r.upstream === 'embedded' ? (written[i]?.at ?? '') : []));
  if (embedded.length > 1) {
    // One folder of content under two names would let a right in one read what belongs to the other.
    problems.add(
      embedded[1] ?? '',
      `expected one embedded registry at most, found another at ${embedded[0] ?? ''}; use aliases for other names`,
    );
  }
  return out;
}

async function readRegistry(
  written: WrittenRegistry,
  listen: ListenAddress,
  problems: Problems,
): Promise<RegistryConfig> {
  const implied = impliedNames(listen);
  const host = written.host === undefined ? undefined : canonical(written.host, problems);
  if (written.host === undefined && isWildcard(listen.host)) {
    problems.warn(
      `${written.at}: no registry host is configured, so only ${implied.host} is answered for; set registries[].host or COUNTERSIGN_HOST to the name that clients use`,
    );
  }
  const aliases = written.aliases?.flatMap((alias) => canonical(alias, problems) ?? []) ?? [];
  const upstream = readUpstream(written.upstream, listen, problems);
  const credentials = await readCredentials(written, upstream, problems);
  if (written.realm !== undefined) {
    problems.add(
      written.realm.at,
      'expected no realm: asking for bearer tokens upstream is not available in this version; use credentials of an upstream with basic authentication, or none',
    );
  }
  return {
    host: host ?? implied.host,
    aliases: written.host === undefined ? [...new Set([...implied.aliases, ...aliases])] : aliases,
    upstream: upstream ?? 'embedded',
    ca: await readAuthority(written.ca, upstream, problems),
    credentials,
    realm: null,
  };
}

function canonical(written: Written, problems: Problems): string | undefined {
  const host = parseHost(written.text);
  if (host.ok) return host.value;
  return problems.add(written.at, host.refusal.message);
}

function readUpstream(
  written: Written | undefined,
  listen: ListenAddress,
  problems: Problems,
): RegistryConfig['upstream'] | undefined {
  if (written === undefined || written.text === 'embedded') return 'embedded';
  const bad = (message: string): undefined => problems.add(written.at, message);
  const shown = JSON.stringify(written.text.replace(/\/\/[^/@]*@/, '//…@').slice(0, 120));
  if (!URL.canParse(written.text)) {
    return bad(
      `expected embedded or an http(s):// address such as http://localhost:5000 as upstream, found ${shown}`,
    );
  }
  const url = new URL(written.text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    return bad(
      `expected embedded or an http(s):// address such as http://localhost:5000 as upstream, found ${shown}`,
    );
  }
  if (url.username !== '' || url.password !== '') {
    return bad('expected no name or password in the upstream address; use credentials');
  }
  if (url.pathname !== '/' || /[?#]/.test(written.text)) {
    return bad(`expected scheme, host and port only as upstream, found ${shown}`);
  }
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
  const here = isLoopback(listen.host) || isWildcard(listen.host);
  if (here && isLoopback(url.hostname) && port === listen.port) {
    return bad(`expected another address than the one listened on, found ${shown}`);
  }
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    problems.warn(
      `${written.at}: the upstream ${url.host} is asked without TLS: anyone on the way can read and change what passes`,
    );
  }
  return url;
}

async function readAuthority(
  written: Written | undefined,
  upstream: RegistryConfig['upstream'] | undefined,
  problems: Problems,
): Promise<string | null> {
  if (written === undefined) return null;
  const fail = (message: string): null => {
    problems.add(written.at, message);
    return null;
  };
  if (upstream === 'embedded' || upstream?.protocol === 'http:') {
    return fail('expected ca only with an https:// upstream; remove one of the two');
  }
  const path = resolve(written.base, written.text);
  const file = await readBoundedFile(path, LIMITS.configFileBytes, 'CONFIG_INVALID');
  if (!file.ok) return fail(file.refusal.message);
  const text = decodeUtf8(file.value.bytes) ?? '';
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) return fail(`expected PEM certificates in ${path}, found none`);
  if (!blocks.every(isCertificate)) return fail(`expected PEM certificates in ${path}`);
  return text;
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}

async function readCredentials(
  written: WrittenRegistry,
  upstream: RegistryConfig['upstream'] | undefined,
  problems: Problems,
): Promise<RegistryConfig['credentials']> {
  const { username, passwordFile } = written;
  if (username === undefined && passwordFile === undefined) return null;
  if (username === undefined || passwordFile === undefined) {
    const at = username?.at ?? passwordFile?.at ?? written.at;
    problems.add(at, 'expected both a username and a passwordFile');
    return null;
  }
  if (upstream === 'embedded') {
    problems.add(username.at, 'expected no credentials for the embedded registry');
  } else if (upstream?.protocol === 'http:' && !isLoopback(upstream.hostname)) {
    problems.add(
      username.at,
      `expected an https:// upstream where credentials are sent, found ${upstream.origin}`,
    );
  }
  // RFC 7617 section 2: a colon ends the name.
  if (/[:\p{Cc}]/u.test(username.text)) {
    problems.add(username.at, 'expected a username without colon and control characters');
  }
  const password = await readPassword(passwordFile, problems);
  return password === undefined ? null : { username: username.text, password };
}

async function readPassword(written: Written, problems: Problems): Promise<string | undefined> {
  const path = resolve(written.base, written.text);
  const file = await readBoundedFile(path, PASSWORD_BYTES, 'CONFIG_INVALID');
  if (!file.ok) return problems.add(written.at, file.refusal.message);
  if ((file.value.mode & 0o007) !== 0) {
    return problems.add(
      written.at,
      `expected a password file that others cannot read, found ${path} open to everybody; run chmod o-rwx on it`,
    );
  }
  if ((file.value.mode & 0o020) !== 0) {
    problems.warn(`${written.at}: ${path} can be changed by its group`);
  }
  const text = decodeUtf8(file.value.bytes)?.replace(/\r?\n$/, '');
  if (text === undefined || text === '' || /\p{Cc}/u.test(text)) {
    return problems.add(written.at, `expected one line with the password in ${path}`);
  }
  return text;
}
