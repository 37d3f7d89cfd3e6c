import type { Dispatcher } from 'undici';
import type { GateRegistry } from '../gate/ports.ts';
import { unavailable } from '../gate/upstream/answer.ts';
import { ownChallenge } from './challenge.ts';

/** Response headers of one connection, not of the content. */
const HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
/**
 * What is between upstream and who logged in there, which may be the gate: a session's cookie is as
 * good as its password (Harbor gives one to every login). The others speak of upstream's host, and
 * would be taken for this one's.
 */
const UPSTREAMS_OWN = new Set([
  'alt-svc',
  'authentication-info',
  'clear-site-data',
  'set-cookie',
  'set-cookie2',
  'strict-transport-security',
]);

/** Whose answer goes where. */
export interface Relaying {
  readonly registry: GateRegistry;
  readonly method: string;
  /** The gate's own origin as the client sees it. */
  readonly origin: string;
}

/** An answer whose headers go to a client. */
type Answered = Pick<Dispatcher.ResponseData, 'statusCode' | 'headers'>;

/**
 * Throws UPSTREAM_UNAVAILABLE for an upload, or another change, that is to go on at another host: it
 * would take the client, with its login, past the gate. Unless the configuration names that host as
 * storage (registry-gate 3.2, T-72).
 */
export function refuseForeign({ statusCode, headers }: Answered, to: Relaying): void {
  const reads = to.method === 'GET' || to.method === 'HEAD';
  const leadsOn = statusCode === 202 || (!reads && statusCode >= 300 && statusCode < 400);
  if (!leadsOn) return;
  for (const location of [headers['location'] ?? []].flat()) {
    const foreign = foreignOrigin(location, to);
    if (foreign === null || to.registry.upstream.isStorage(foreign)) continue;
    throw unavailable(
      `sends uploads to ${foreign}; if that is where it keeps its blobs, name the origin as storage`,
    );
  }
}

/** The headers of upstream's answer as the client gets them. Throws as {@link ownChallenge} does. */
export function relayedHeaders(
  { statusCode, headers }: Answered,
  to: Relaying,
): Readonly<Record<string, string | string[]>> {
  const out: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || HOP.has(name) || UPSTREAMS_OWN.has(name)) continue;
    // Where upstream does not judge clients, its challenge is not for them (T-71).
    if (name === 'www-authenticate' && !to.registry.upstreamJudges) continue;
    if (name === 'location') {
      // Of several, clients take one or another.
      const [first = '', second] = [value].flat();
      if (second !== undefined) continue;
      // What was stored is read here, whatever name upstream has for itself.
      if (statusCode === 201 && foreignOrigin(first, to) !== null) continue;
      out[name] = ownLocation(first, to);
    }
    // The next page of a list (distribution-spec, "Listing Tags") is asked of us, not round the gate.
    else if (name === 'link') out[name] = [value].flat().map((one) => ownLinks(one, to));
    else out[name] = value;
  }
  return ownChallenge(out, to.registry, to.origin);
}

/** The origin of a Location that is neither upstream's nor ours; `null` for those. */
function foreignOrigin(location: string, to: Relaying): string | null {
  const own = ownLocation(location, to);
  if (own.startsWith(`${to.origin}/`)) return null;
  const upstream = to.registry.upstream.origin;
  // `http:name/x` is one address to some clients and another to others.
  if (/^[a-z][a-z0-9+.-]*:(?!\/\/)/i.test(own) || !URL.canParse(own, upstream))
    return 'an address that cannot be read';
  const named = new URL(own, upstream);
  return named.host === new URL(upstream).host ? null : named.origin;
}

/**
 * A Location on upstream's own origin (or relative) becomes one on ours, path and query byte-exact.
 * One on another origin (a storage redirect) goes to the client as it is: content there is checked
 * by its digest, and we send nothing of ours after it (T-72).
 */
function ownLocation(location: string, to: Relaying): string {
  if (location.startsWith('/') && !location.startsWith('//')) return location;
  const match = ABSOLUTE.exec(location);
  if (match === null || !URL.canParse(match[1] as string)) return location;
  const theirs = new URL(to.registry.upstream.origin).host;
  const named = new URL(match[1] as string).host;
  const ours = new URL(to.origin).host;
  return named === theirs || named === ours ? `${to.origin}${match[2] ?? '/'}` : location;
}

const ABSOLUTE = /^(https?:\/\/[^/?#]+)(\/.*)?$/i;

/** The links with every address on our own origin, whatever name upstream has for itself: pages are nowhere else. */
const ownLinks = (value: string, to: Relaying): string =>
  value.replace(/<([^<>]*)>/g, (_, target: string) => {
    const path = target.replace(/^(?:[a-z][a-z0-9+.-]*:[/\\]*|[/\\]{2,})[^/?#\\]*/i, '');
    return path === target ? `<${target}>` : `<${to.origin}${path}>`;
  });
