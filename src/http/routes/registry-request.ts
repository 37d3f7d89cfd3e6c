import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Caller } from '../../gate/access/caller.ts';
import type { PullOutcome, Refused } from '../../gate/outcome.ts';
import { refused } from '../../gate/outcome.ts';
import type { GateRegistry } from '../../gate/ports.ts';
import { printable, sendRefusal, sendRelayed } from '../answer.ts';
import { ownChallenge } from '../challenge.ts';
import type { RequestFacts } from '../exchange.ts';
import { CHALLENGE, askForBody, dropBody, originOf } from '../exchange.ts';
import type { RegistryRoute } from '../registry-path.ts';
import { relay } from '../relay.ts';

/** One request on `/v2/`, after its host, identity and path were read. */
export interface RegistryRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly registry: GateRegistry;
  readonly caller: Caller;
  readonly route: RegistryRoute;
  /** The raw query, without `?`; empty where there is none. */
  readonly query: string;
  readonly facts: RequestFacts;
}

/** Sends a refusal, with the challenge where an identity is missing. */
export function refuse(
  r: Pick<RegistryRequest, 'request' | 'response' | 'facts'>,
  refusal: Refused,
  challenge = true,
): void {
  r.facts.code = refusal.code;
  r.facts.message = refusal.message;
  dropBody(r.request, r.response);
  sendRefusal(
    r.response,
    refusal,
    refusal.code === 'UNAUTHENTICATED' && challenge ? CHALLENGE : {},
  );
}

/** Sends whatever a manifest request came to, except a manifest. */
export function end(r: RegistryRequest, outcome: Exclude<PullOutcome, { kind: 'serve' }>): void {
  if (outcome.kind === 'refused') return refuse(r, outcome);
  const headers = ownChallenge(outcome.headers, r.registry, originOf(r.request));
  sendRelayed(r.response, { ...outcome, headers });
}

/** Refuses a method that the path does not know. */
export function notAllowed(r: RegistryRequest, allow: string): void {
  r.response.setHeader('allow', allow);
  refuse(
    r,
    refused(
      'METHOD_NOT_ALLOWED',
      `expected ${allow}, found ${printable(r.request.method ?? '', 20)}`,
    ),
  );
}

/** Streams the request to upstream's `path` and the answer back. */
export async function pass(
  r: RegistryRequest,
  method: string,
  path: string,
  body: boolean,
): Promise<void> {
  if (body) askForBody(r.request, r.response);
  await relay(r.request, r.response, {
    registry: r.registry,
    path,
    method,
    caller: r.caller,
    body,
    origin: originOf(r.request),
  });
}

/** A path with its query, byte-exact. */
export const withQuery = (path: string, query: string): string =>
  query === '' ? path : `${path}?${query}`;
