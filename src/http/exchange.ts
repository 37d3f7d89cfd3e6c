import type { IncomingMessage, ServerResponse } from 'node:http';
import { credentialKey, tokenExpiry } from '../gate/access/caller.ts';
import type { Caller } from '../gate/access/caller.ts';
import type { Refused } from '../gate/outcome.ts';
import { refused } from '../gate/outcome.ts';
import type { GateRegistry } from '../gate/ports.ts';
import { CountersignError } from '../lib/errors.ts';
import { isLoopback } from '../lib/loopback.ts';
import { quote } from '../lib/quote.ts';
import { parseHost } from '../oci/reference.ts';
import type { HttpPorts } from './ports.ts';

/** What one request has come to, for its log line: bounded, no secrets. */
export interface RequestFacts {
  route: string;
  repository?: string;
  reference?: string;
  identity?: string;
  code?: string;
  message?: string;
}

/** Facts of requests under way, for their log lines. */
const facts = new WeakMap<IncomingMessage, RequestFacts>();

/** The facts that a handler may add to while it works. */
export function factsOf(request: IncomingMessage): RequestFacts {
  const known = facts.get(request);
  if (known !== undefined) return known;
  const fresh: RequestFacts = { route: 'other' };
  facts.set(request, fresh);
  return fresh;
}

/** The challenge of a service with identities of its own (RFC 7617). */
export const CHALLENGE = {
  'www-authenticate': 'Basic realm="countersign", charset="UTF-8"',
} as const;

/** The registry that a Host header names, or a refusal with 421: one service, no other names. */
export function registryFor(ports: HttpPorts, request: IncomingMessage): GateRegistry | Refused {
  const twice = repeatedHeader(request.rawHeaders);
  if (twice !== undefined)
    return refused('REQUEST_INVALID', `expected one ${twice} header, found several`);
  const header = request.headers.host ?? '';
  const host = parseHost(header);
  const found = host.ok
    ? ports.registries.find((one) => one.host === host.value || one.aliases.includes(host.value))
    : undefined;
  if (found !== undefined) return found;
  const known = ports.registries.map((one) => one.host).join(', ');
  return refused('WRONG_HOST', `expected a request for ${known}, found Host ${quote(header)}`);
}

/**
 * Host or Authorization where a request has it twice (RFC 9112 section 3.2): a proxy before the service
 * may have looked at the other one.
 */
function repeatedHeader(raw: readonly string[]): string | undefined {
  const seen = new Set<string>();
  for (let at = 0; at < raw.length; at += 2) {
    const name = (raw[at] ?? '').toLowerCase();
    if (name !== 'host' && name !== 'authorization') continue;
    if (seen.has(name)) return name;
    seen.add(name);
  }
  return undefined;
}

/** Who asks. A wrong password is refused; no credentials at all make `anonymous`. */
export async function identify(
  ports: HttpPorts,
  request: IncomingMessage,
): Promise<Caller | Refused> {
  const address = request.socket.remoteAddress ?? '';
  const loopback = isLoopback(address) && !forwarded(request);
  const header = request.headers.authorization ?? null;
  if (ports.identities === null) {
    const expiresAt = tokenExpiry(header);
    return {
      ...(expiresAt === null ? {} : { expiresAt }),
      name: 'anonymous',
      authenticated: false,
      authorization: header,
      credentialKey: credentialKey(header),
      address,
      loopback,
    };
  }
  const identity = await ports.identities.authenticate(request.headers.authorization);
  switch (identity.kind) {
    case 'refused':
      return refused('UNAUTHENTICATED', identity.reason);
    case 'anonymous':
      return {
        name: 'anonymous',
        authenticated: false,
        authorization: null,
        credentialKey: 'own:anonymous',
        address,
        loopback,
      };
    case 'user':
      // One key for all: with identities, evidence is read with the gate's own rights.
      return {
        name: identity.name,
        authenticated: true,
        authorization: null,
        credentialKey: 'own',
        address,
        loopback,
      };
  }
}

/** Headers that a proxy adds: its own end of the connection says nothing about who asks then. */
const FORWARDED = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'];

/** True where a proxy says that it speaks for somebody else: a proxy on this machine must not lend this machine's rights. */
function forwarded(request: IncomingMessage): boolean {
  return FORWARDED.some((name) => request.headers[name] !== undefined);
}

/** The origin that the client sees, for Location headers: its own Host (checked before) and the connection's scheme. */
export function originOf(request: IncomingMessage): string {
  const encrypted = 'encrypted' in request.socket && request.socket.encrypted === true;
  return `${encrypted ? 'https' : 'http'}://${request.headers.host ?? 'localhost'}`;
}

/** Bytes of bodies that are being read, all requests together, and how long one may take (T-59, T-70). */
const BODIES_BYTES = 256 * 1024 * 1024;
const BODY_MS = 60_000;
let bodiesBytes = 0;

/**
 * Reads a bounded body whole; `null` when it is longer than the bound, whatever Content-Length says
 * (T-59). Throws BUSY where bodies under way already take the room that all have together; one that
 * takes longer than `ms` loses its connection.
 */
export async function readBody(
  request: IncomingMessage,
  maxBytes: number,
  ms = BODY_MS,
): Promise<Uint8Array | null> {
  const declared = Number(request.headers['content-length'] ?? '0');
  if (declared > maxBytes) return null;
  const chunks: Buffer[] = [];
  let size = 0;
  const late = setTimeout(() => request.destroy(), ms);
  try {
    // Without the iterator's own end, which would take away the connection that the refusal goes out on.
    const body = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
    for await (const chunk of body) {
      size += chunk.length;
      bodiesBytes += chunk.length;
      if (size > maxBytes) return null;
      if (bodiesBytes > BODIES_BYTES) {
        throw new CountersignError('BUSY', 'too many large requests at once; try again');
      }
      chunks.push(chunk);
    }
    return Buffer.concat(chunks, size);
  } finally {
    clearTimeout(late);
    bodiesBytes -= size;
  }
}

/** How long the rest of a refused body is read and dropped, ms. */
const DRAIN_MS = 5_000;

/**
 * Answers before the body was read. The rest is dropped for a while: to close at once would reset the
 * connection, and with it the refusal on its way to a client that still sends. One that goes on for
 * longer loses its connection.
 */
export function dropBody(request: IncomingMessage, response: ServerResponse): void {
  if (request.complete || request.readableEnded) return;
  // A client that waits to be asked for its body sends none.
  if (waitsToBeAsked(request)) response.setHeader('connection', 'close');
  request.resume();
  const late = setTimeout(() => {
    if (!request.complete) request.destroy();
  }, DRAIN_MS);
  late.unref();
  request.once('close', () => clearTimeout(late));
}

/** True where the client sends its body only after an answer of 100 (RFC 9110, section 10.1.1). */
const waitsToBeAsked = (request: IncomingMessage): boolean =>
  request.headers.expect?.toLowerCase() === '100-continue';

/** Asks a client that waits for that to send its body: once nothing is against it that can be known before. */
export function askForBody(request: IncomingMessage, response: ServerResponse): void {
  if (waitsToBeAsked(request)) response.writeContinue();
}
