import { BlockList, isIPv6 } from 'node:net';
import { CountersignError } from '../lib/errors.ts';
import { quote } from '../lib/quote.ts';
import { isLoopbackHost } from './tls.ts';
import type { Transport } from './transport.ts';

/** The address of Docker Hub's registry; `docker.io` itself serves a web page. */
const HUB = 'registry-1.docker.io';

/**
 * Finds where a registry is reached: `https://` always, but for loopback hosts, which are treated as
 * docker treats them: HTTPS (unverified) first, then plain HTTP. No other host ever falls back
 * (CVE-2019-10214). With an authority named for the command there is no fall-back either.
 */
export async function findOrigin(
  host: string,
  transport: Transport,
  options: { readonly explicitCa: boolean; readonly signal?: AbortSignal | undefined },
): Promise<URL> {
  const secure = new URL(`https://${host === 'docker.io' ? HUB : host}`);
  if (!isLoopbackHost(host) || options.explicitCa) return secure;
  const plain = new URL(`http://${host}`);
  let failure: unknown;
  for (const origin of [secure, plain]) {
    try {
      const url = new URL('/v2/', origin);
      const answer = await transport.send({ method: 'GET', url, signal: options.signal });
      await answer.drain();
      return origin;
    } catch (error) {
      if (options.signal?.aborted === true) throw error;
      failure = error;
    }
  }
  throw failure;
}

const LOCAL = new BlockList();
LOCAL.addSubnet('127.0.0.0', 8, 'ipv4');
LOCAL.addSubnet('169.254.0.0', 16, 'ipv4');
LOCAL.addAddress('0.0.0.0', 'ipv4');
LOCAL.addAddress('::1', 'ipv6');
LOCAL.addAddress('::', 'ipv6');
LOCAL.addSubnet('fe80::', 10, 'ipv6');

/**
 * Resolves an address that a registry sent (a redirect, an upload's Location, a next page) against
 * the request's. A proxy that forgets TLS writes `http://` for our own host: that stays `https://`.
 * Throws UPSTREAM_INVALID for what is no address, for a step down from TLS, and for this machine's
 * own or link-local addresses where the registry is elsewhere.
 */
export function resolveLocation(location: string, base: URL): URL {
  const bad = (why: string): CountersignError =>
    new CountersignError(
      'UPSTREAM_INVALID',
      `${base.host} sent us to ${quote(location, 120)}, ${why}`,
    );
  if (!URL.canParse(location, base.href)) throw bad('which is no address');
  const url = new URL(location, base);
  if (url.username !== '' || url.password !== '') throw bad('which carries a login');
  if (base.protocol === 'https:' && url.protocol === 'http:' && url.hostname === base.hostname) {
    if (url.port === base.port || (url.port === '' && base.port === '')) url.protocol = 'https:';
    else if (url.port === '80') url.host = base.host;
  }
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && base.protocol === 'http:'))
    throw bad('which is not https');
  if (isLocal(url) && !isLoopbackHost(base.host)) throw bad('which is a local address');
  if (url.protocol === 'http:' && !isLoopbackHost(url.host)) throw bad('which is not https');
  url.hash = '';
  return url;
}

function isLocal(url: URL): boolean {
  // RFC 6761 section 6.3: all names below localhost are this machine.
  if (isLoopbackHost(url.host) || /(?:^|\.)localhost\.?$/.test(url.hostname)) return true;
  const name = url.hostname.replace(/^\[|\]$/g, '');
  return LOCAL.check(name, isIPv6(name) ? 'ipv6' : 'ipv4');
}
