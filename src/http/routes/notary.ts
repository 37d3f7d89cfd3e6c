import type { IncomingMessage, ServerResponse } from 'node:http';
import { refused } from '../../gate/outcome.ts';
import { dropBody, factsOf, identify, registryFor } from '../exchange.ts';
import type { NotaryOperation } from '../notary-operation.ts';
import { operationOf } from '../notary-operation.ts';
import type { NotaryRoute } from '../notary-path.ts';
import { parseNotaryPath } from '../notary-path.ts';
import type { HttpPorts } from '../ports.ts';
import { changefeed } from './notary-changefeed.ts';
import { metadata } from './notary-metadata.ts';
import { publish } from './notary-publish.ts';
import type { NotaryRequest, TrustedName } from './notary-request.ts';
import { changing, fail, forbid, permitted, repositoryOfGun, sendFound } from './notary-request.ts';
import { refuse } from './registry-request.ts';

/** Methods that Notary's router knows: what they ask for where there is nothing is "not found", others are not allowed (dct-protocol 1, row 13). */
const KNOWN_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'];

/**
 * Handles one request below `/_trust/`: the Notary v1 protocol (dct-protocol 1). Throws what the store
 * or upstream throws.
 */
export async function handleNotary(
  ports: HttpPorts,
  at: { readonly request: IncomingMessage; readonly response: ServerResponse },
  path: string,
  query: string,
): Promise<void> {
  const { request, response } = at;
  const facts = factsOf(request);
  facts.route = 'notary';
  const route = parseNotaryPath(path);
  const operation = operationOf(route, request.method ?? '');
  response.once('close', () => ports.counters.notary(operation, response.statusCode));
  const host = registryFor(ports, request);
  if ('kind' in host) return refuse({ ...at, facts }, host);
  if (operation === 'none' || route === null) return nothing({ ...at, facts });
  const caller = await identify(ports, request);
  const r = { ...at, facts, query };
  if ('kind' in caller) return refuse(r, caller);
  facts.identity = caller.name;
  await handle(ports, { ...r, caller }, route, operation);
}

function nothing(r: Pick<NotaryRequest, 'request' | 'response' | 'facts'>): void {
  if (KNOWN_METHODS.includes(r.request.method ?? '')) return fail(r, 'METADATA_NOT_FOUND');
  dropBody(r.request, r.response);
  r.response.writeHead(405, { allow: KNOWN_METHODS.join(', '), 'content-length': 0 });
  r.response.end();
}

async function handle(
  ports: HttpPorts,
  r: NotaryRequest,
  route: NotaryRoute,
  operation: NotaryOperation,
): Promise<void> {
  if (route.gun === null) return globalFeed(ports, r);
  const name = repositoryOfGun(ports.registries, route.gun);
  if (name === null) {
    const prefixes = ports.registries.map((one) => `${one.host}/`).join(', ');
    if (operation !== 'publish') return fail(r, 'METADATA_NOT_FOUND');
    return fail(r, 'INVALID_GUN', `Require GUNs with prefix: [${prefixes}]`);
  }
  r.facts.repository = name.repository;
  if ('role' in route) r.facts.reference = route.role;
  switch (route.kind) {
    case 'repository':
      return operation === 'publish' ? publish(ports, r, name) : remove(ports, r, name);
    case 'key':
      return key(ports, r, name, route.role);
    case 'changefeed':
      if (await permitted(ports, r, name, 'pull')) await changefeed(ports, r, name.repository);
      return;
    case 'current':
    case 'by-hash':
    case 'by-version':
      return metadata(ports, r, name, route);
  }
}

/** The feed of all repositories is an administrator's: it names them all. */
async function globalFeed(ports: HttpPorts, r: NotaryRequest): Promise<void> {
  const hosts = ports.registries.map((one) => one.host);
  if (ports.gate.ports.access.mayEverywhere(r.caller, 'admin', hosts))
    return changefeed(ports, r, null);
  const message = 'the changes of all repositories need admin everywhere';
  forbid(ports, r, refused(r.caller.authenticated ? 'FORBIDDEN' : 'UNAUTHENTICATED', message));
}

/**
 * The server's public key, the one in use or (POST) one to rotate to. Both need push: nothing is signed
 * with a key before a root lists it, and a root takes the root key.
 */
async function key(
  ports: HttpPorts,
  r: NotaryRequest,
  name: TrustedName,
  role: 'snapshot' | 'timestamp',
): Promise<void> {
  if (!(await permitted(ports, r, name, 'push'))) return;
  const { notary } = ports;
  const found =
    r.request.method === 'POST'
      ? await notary.rotateKey(name.repository, role)
      : await notary.key(name.repository, role);
  dropBody(r.request, r.response);
  sendFound(r, Buffer.from(JSON.stringify(found)), { 'cache-control': 'no-store' });
}

/** Deletes a repository's trust data; the gate stays with the root that it is held to (DESIGN 5). */
async function remove(ports: HttpPorts, r: NotaryRequest, name: TrustedName): Promise<void> {
  if (!(await permitted(ports, r, name, 'delete'))) return;
  await changing(ports, name, r.caller, () => ports.notary.remove(name.repository, r.caller.name));
  await ports.trustPublished(name.registry, name.repository, [], r.caller);
  dropBody(r.request, r.response);
  r.response.writeHead(200, { 'content-length': 0 });
  r.response.end();
}
