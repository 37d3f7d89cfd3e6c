import { isLoopback } from '../lib/loopback.ts';
import { parseHost } from '../oci/reference.ts';
import type { TlsMaterial } from '../oci/tls.ts';
import type { RegistryConfig } from './config.ts';
import type { ListenAddress } from './listen.ts';
import { impliedNames, isWildcard } from './listen.ts';
import type { Problems } from './problems.ts';
import { shownAddress } from './shown-address.ts';
import { readCredentials } from './upstream-credentials.ts';
import { readRealm, readStorage } from './upstream-endpoints.ts';
import { upstreamTls } from './upstream-tls.ts';
import type { Written, WrittenRegistry } from './written.ts';

const NO_TLS: TlsMaterial = { ca: [], explicit: false };

/** Checks every registry and reads its files; what is wrong is collected. `dockerFolder` is docker's own configuration folder. */
export async function readRegistries(
  written: readonly WrittenRegistry[],
  listen: ListenAddress,
  dockerFolder: string,
  problems: Problems,
): Promise<readonly RegistryConfig[]> {
  const out: RegistryConfig[] = [];
  for (const one of written) out.push(await readRegistry(one, listen, dockerFolder, problems));
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
  dockerFolder: string,
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
  const tls = await upstreamTls(written.ca, upstream, dockerFolder, problems);
  return {
    host: host ?? implied.host,
    aliases: written.host === undefined ? [...new Set([...implied.aliases, ...aliases])] : aliases,
    upstream: upstream ?? 'embedded',
    tls: upstream instanceof URL ? await tls(upstream) : NO_TLS,
    credentials,
    realm: await readRealm(written.realm, upstream, tls, problems),
    storage: await readStorage(written.storage, upstream, tls, problems),
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
  const shown = shownAddress(written.text);
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
