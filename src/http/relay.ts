import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Dispatcher } from 'undici';
import type { Caller } from '../gate/caller.ts';
import type { GateRegistry } from '../gate/ports.ts';
import { unavailable } from '../gate/upstream-answer.ts';
import { ownChallenge } from './challenge.ts';

/** Request headers that mean something to a registry; all others stay here (T-30, T-36). */
const FORWARDED = [
  'accept',
  'content-length',
  'content-range',
  'content-type',
  'range',
  'if-none-match',
];
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

/** How a streamed exchange went. */
export interface RelayResult {
  readonly status: number;
}

/** Where an exchange is to go. */
export interface RelayTarget {
  readonly registry: GateRegistry;
  /** Path and query for upstream, byte-exact. */
  readonly path: string;
  readonly method: string;
  readonly caller: Caller;
  /** True to stream the request's body on. */
  readonly body: boolean;
  /** The gate's own origin as the client sees it, for Location headers. */
  readonly origin: string;
}

/**
 * Streams a request to upstream and the answer back, with back-pressure both ways and nothing
 * buffered. A failure before the headers is thrown; one after them destroys the client's connection,
 * so that a cut body is never taken for a whole one.
 */
export async function relay(
  request: IncomingMessage,
  response: ServerResponse,
  target: RelayTarget,
): Promise<RelayResult> {
  const abort = new AbortController();
  const gone = (): void => {
    if (!response.writableFinished) abort.abort();
  };
  response.once('close', gone);
  try {
    const headers: Record<string, string> = { 'accept-encoding': 'identity' };
    for (const name of FORWARDED) {
      const value = request.headers[name];
      if (typeof value === 'string') headers[name] = value;
    }
    if (!target.body) delete headers['content-length'];
    const asked = {
      method: target.method,
      path: target.path,
      headers,
      signal: abort.signal,
      // A registry may hash and move gigabytes before it answers the last PUT.
      headersTimeout: 600_000,
      ...(target.body ? { body: request } : {}),
    };
    const { upstream } = target.registry;
    const stream = target.body ? null : await upstream.blobStream(asked, target.caller);
    if (stream !== null) {
      const { statusCode } = stream.head;
      response.writeHead(statusCode, responseHeaders(stream.head, target));
      await stream.pump(response);
      return { status: statusCode };
    }
    const answer = await upstream.exchange(asked, target.caller);
    await refuseForeign(answer, target);
    response.writeHead(answer.statusCode, responseHeaders(answer, target));
    try {
      await pipeline(answer.body, response);
    } catch {
      response.destroy();
    }
    return { status: answer.statusCode };
  } finally {
    response.off('close', gone);
  }
}

/**
 * An upload that is to go on at another host would take the client, with its login, past the gate: it
 * is refused unless the configuration names that host as storage (registry-gate 3.2, T-72).
 */
async function refuseForeign(answer: Dispatcher.ResponseData, target: RelayTarget): Promise<void> {
  const { location } = answer.headers;
  if (answer.statusCode !== 202 || typeof location !== 'string') return;
  const to = foreignOrigin(location, target);
  if (to === null || target.registry.upstream.isStorage(to)) return;
  await answer.body.dump();
  throw unavailable(
    `sends uploads to ${to}; if that is where it keeps its blobs, name the origin as storage`,
  );
}

function responseHeaders(
  answer: Pick<Dispatcher.ResponseData, 'statusCode' | 'headers'>,
  target: RelayTarget,
): Record<string, string | string[]> {
  const out: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(answer.headers)) {
    if (value === undefined || HOP.has(name)) continue;
    // Where upstream does not judge clients, its challenge is not for them (T-71).
    if (name === 'www-authenticate' && !target.registry.upstreamJudges) continue;
    if (name === 'location' && typeof value === 'string') {
      // What was stored is read here, whatever name upstream has for itself.
      if (answer.statusCode === 201 && foreignOrigin(value, target) !== null) continue;
      out[name] = ownLocation(value, target);
    }
    // The next page of a list (distribution-spec, "Listing Tags") is asked of us, not round the gate.
    else if (name === 'link' && typeof value === 'string' && value.length <= 4096)
      out[name] = value.replace(/<([^<>]*)>/g, (_, to: string) => `<${ownLocation(to, target)}>`);
    else out[name] = value;
  }
  return { ...ownChallenge(out, target.registry, target.origin) };
}

/** The origin of a Location that is neither upstream's nor ours; `null` for those. */
function foreignOrigin(location: string, target: RelayTarget): string | null {
  const own = ownLocation(location, target);
  if (own.startsWith(`${target.origin}/`)) return null;
  const upstream = target.registry.upstream.origin;
  if (!URL.canParse(own, upstream)) return 'an address that cannot be read';
  const to = new URL(own, upstream);
  return to.host === new URL(upstream).host ? null : to.origin;
}

/**
 * A Location on upstream's own origin (or relative) becomes one on ours, path and query byte-exact.
 * One on another origin (a storage redirect) goes to the client as it is: content there is checked
 * by its digest, and we send nothing of ours after it (T-72).
 */
export function ownLocation(
  location: string,
  target: Pick<RelayTarget, 'origin' | 'registry'>,
): string {
  if (location.startsWith('/') && !location.startsWith('//')) return location;
  const match = /^(https?:\/\/[^/?#]+)(\/.*)?$/i.exec(location);
  if (match === null || !URL.canParse(match[1] as string)) return location;
  const theirs = new URL(target.registry.upstream.origin).host;
  const named = new URL(match[1] as string).host;
  const ours = new URL(target.origin).host;
  return named === theirs || named === ours ? `${target.origin}${match[2] ?? '/'}` : location;
}
