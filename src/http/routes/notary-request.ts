import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TrustRight } from '../../gate/authorise/authorise-trust.ts';
import type { Caller } from '../../gate/access/caller.ts';
import type { Refused } from '../../gate/outcome.ts';
import type { GateRegistry } from '../../gate/ports.ts';
import type { Relayed } from '../../gate/upstream/upstream.ts';
import { isPath } from '../../oci/reference.ts';
import type { Repository } from '../../oci/reference.ts';
import { LIMITS } from '../../lib/limits.ts';
import { sendRelayed } from '../answer.ts';
import type { RequestFacts } from '../exchange.ts';
import { CHALLENGE, dropBody } from '../exchange.ts';
import type { NotaryDetail, NotaryErrorCode } from '../notary-errors.ts';
import { sendNotaryError } from '../notary-errors.ts';
import type { HttpPorts } from '../ports.ts';
import { refuse } from './registry-request.ts';

/** One request of the Notary v1 protocol, after its host and identity were read. */
export interface NotaryRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly facts: RequestFacts;
  readonly caller: Caller;
  /** The raw query, without `?`. */
  readonly query: string;
}

/** A repository that trust data are kept for, and the registry whose callers may read or change them. */
export interface TrustedName {
  readonly repository: Repository;
  readonly registry: GateRegistry;
}

/**
 * The repository that a GUN names: canonical, under the one name that a configured registry goes by.
 * `null` for all others, aliases too: a repository has one GUN, or somebody else's root would stand
 * beside it (dct-protocol 0; DESIGN 5).
 */
export function repositoryOfGun(
  registries: readonly GateRegistry[],
  gun: string,
): TrustedName | null {
  const slash = gun.indexOf('/');
  const registry = registries.find((one) => one.host === gun.slice(0, Math.max(slash, 0)));
  if (registry === undefined || !isPath(gun.slice(slash + 1))) return null;
  return gun.length <= LIMITS.nameLength ? { repository: gun as Repository, registry } : null;
}

/** Sends an error of the protocol, and drops what the client still sends. */
export function fail(
  r: Pick<NotaryRequest, 'request' | 'response' | 'facts'>,
  code: NotaryErrorCode,
  detail?: NotaryDetail,
): void {
  r.facts.code = code;
  dropBody(r.request, r.response);
  sendNotaryError(r.response, code, { detail });
}

/**
 * Changes trust data. Where that fails, whether it was stored is not known: what was decided by the data
 * before is decided anew, as after every change. Rejects as `change` does.
 */
export async function changing<T>(
  ports: HttpPorts,
  { registry, repository }: TrustedName,
  caller: Caller,
  change: () => Promise<T>,
): Promise<T> {
  try {
    return await change();
  } catch (error) {
    await ports.trustPublished(registry, repository, [], caller);
    throw error;
  }
}

/** True where the caller has the right; else the refusal was sent. */
export async function permitted(
  ports: HttpPorts,
  r: NotaryRequest,
  { registry, repository }: TrustedName,
  right: TrustRight,
): Promise<boolean> {
  const said = await ports.trustRights.check(registry, repository, right, r.caller);
  if (said === null) return true;
  forbid(ports, r, said);
  return false;
}

/**
 * Sends a missing right as Notary does: with 401 in all cases, for of 403 its clients say that the
 * server cannot be reached (dct-protocol 1.3, 4.1).
 */
export function forbid(ports: HttpPorts, r: NotaryRequest, said: Refused | Relayed): void {
  if (said.kind === 'relay') {
    dropBody(r.request, r.response);
    return sendRelayed(r.response, said);
  }
  if (said.code === 'NAME_UNKNOWN') return fail(r, 'METADATA_NOT_FOUND', {});
  if (said.code !== 'UNAUTHENTICATED' && said.code !== 'FORBIDDEN') return refuse(r, said);
  r.facts.code = said.code;
  r.facts.message = said.message;
  dropBody(r.request, r.response);
  const headers = ports.identities === null ? {} : CHALLENGE;
  sendNotaryError(r.response, 'UNAUTHORIZED', { detail: said.message, headers });
}

/** Sends a body that was found; HEAD gets its headers. */
export function sendFound(
  r: Pick<NotaryRequest, 'request' | 'response'>,
  body: Uint8Array,
  headers: Readonly<Record<string, string>>,
): void {
  r.response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': body.byteLength,
    'x-content-type-options': 'nosniff',
    ...headers,
  });
  r.response.end(r.request.method === 'HEAD' ? undefined : body);
}
