import { isIP, isIPv6 } from 'node:net';
import { isLoopback } from '../lib/loopback.ts';
import { quote } from '../lib/quote.ts';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import { parseHost } from '../oci/reference.ts';
import type { Config } from './config.ts';

/** An address to listen on. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** The names and addresses of one registry. */
export interface RegistryNames {
  readonly host: string;
  readonly aliases: readonly string[];
}

const PORT = /^[0-9]{1,5}$/;

/**
 * Reads `HOST:PORT` where the host is an IP address (IPv6 in brackets) or `localhost`, which stands
 * for 127.0.0.1. Other names are refused: what they resolve to may be another machine tomorrow.
 */
export function parseListen(text: string): Result<ListenAddress> {
  const colon = text.lastIndexOf(':');
  const name = text.slice(0, Math.max(0, colon));
  const port = text.slice(colon + 1);
  const bare = name.startsWith('[') && name.endsWith(']') ? name.slice(1, -1) : name;
  const host = name.toLowerCase() === 'localhost' ? '127.0.0.1' : bare;
  const bracketed = bare !== name;
  if (isIP(host) === 0 || bracketed !== isIPv6(host) || !PORT.test(port) || Number(port) > 65_535) {
    return refuse(
      'CONFIG_INVALID',
      `expected HOST:PORT with an IP address or localhost, such as 0.0.0.0:5443, found ${quote(text)}`,
    );
  }
  return ok({ host, port: Number(port) });
}

/** True for the addresses that mean "every interface". */
export function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || /^[0:]*$/.test(host);
}

/**
 * The names of a registry whose host nobody configured: all loopback names of the port where the
 * address includes loopback, else the address itself.
 */
export function impliedNames({ host, port }: ListenAddress): RegistryNames {
  const canonical = (name: string): string => {
    const parsed = parseHost(`${name}:${port}`);
    // An address out of isIP() and a port below 65536 always have a canonical form.
    return parsed.ok ? parsed.value : `${name}:${port}`;
  };
  const own = isIPv6(host) ? `[${host}]` : host;
  if (!isLoopback(host) && !isWildcard(host)) return { host: canonical(own), aliases: [] };
  const aliases = new Set(['127.0.0.1', '[::1]'].map(canonical));
  if (!isWildcard(host)) aliases.add(canonical(own));
  return { host: canonical('localhost'), aliases: [...aliases] };
}

/**
 * The configuration once the port is known that the system chose for port 0: registries that are
 * named after the address, and the access rules that name them, get it.
 */
export function withPort(config: Config, port: number): Config {
  const named = (host: string): string => host.replace(/:0$/, `:${port}`);
  const registries = config.registries.map((one) => ({
    ...one,
    host: named(one.host),
    aliases: one.aliases.map(named),
  }));
  const access = config.access.map((rule) => ({
    ...rule,
    repositories: rule.repositories.map((pattern) => {
      const [host = '', ...path] = pattern.segments;
      const segments = [named(host), ...path];
      return { text: segments.join('/'), segments };
    }),
  }));
  return { ...config, listen: { ...config.listen, port }, registries, access };
}
