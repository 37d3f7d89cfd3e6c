import { randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Dispatcher } from 'undici';
import { SingleFlight } from '../../lib/single-flight.ts';
import { parseChallenges } from '../../oci/challenge.ts';
import type { Repository } from '../../oci/reference.ts';
import { splitRepository } from '../../oci/reference.ts';
import type { Caller } from '../access/caller.ts';
import type { Refused } from '../outcome.ts';
import { refused } from '../outcome.ts';
import type { GatePorts, GateRegistry } from '../ports.ts';
import { header, ownPath, relayed, unavailable } from '../upstream/answer.ts';
import type { Relayed } from '../upstream/upstream.ts';
import type { Authoriser } from './authorise.ts';

/** What may be done with a repository's trust data: reading it needs pull, publishing and keys push, deleting delete. */
export type TrustRight = 'pull' | 'push' | 'delete';

/** How long upstream's yes to one credential, repository and right is remembered, ms. */
const YES_FOR = 60_000;
const TIMEOUT = 30_000;
/** An answer of upstream that says only whether it lets the caller. */
type Said = Refused | Relayed | null;

/**
 * Whether a caller may read or change a repository's trust data. Where the gate has identities its
 * `access` rules answer. Where upstream judges, it is asked with the caller's own credential for
 * something that needs the same right and changes nothing; its yes is remembered for a minute.
 */
export class TrustAuthoriser {
  readonly #own: Authoriser;
  readonly #now: GatePorts['now'];
  readonly #yes = new LRUCache<string, number>({ max: 50_000 });
  readonly #flights = new SingleFlight<Said>();

  constructor(own: Authoriser, now: GatePorts['now']) {
    this.#own = own;
    this.#now = now;
  }

  /**
   * `null` where the caller may; else what to answer: NAME_UNKNOWN where upstream has no such
   * repository for this caller. Throws UPSTREAM_UNAVAILABLE where upstream gave no clear answer.
   */
  async check(
    registry: GateRegistry,
    repository: Repository,
    right: TrustRight,
    caller: Caller,
  ): Promise<Said> {
    const forbidden = this.#own.check(caller, right, repository);
    if (forbidden !== null || !registry.upstreamJudges) return forbidden;
    if (/^bearer\b/i.test(caller.authorization ?? '')) return TOKENS;
    const key = `${caller.credentialKey}\n${repository}\n${right}`;
    const said = this.#yes.get(key);
    if (said !== undefined && this.#now().getTime() - said < YES_FOR) return null;
    return this.#flights.run(key, async () => {
      const asked = this.#now().getTime();
      const answer = await ask(registry, splitRepository(repository).path, right, caller);
      if (answer === null) this.#yes.set(key, asked);
      else this.#yes.delete(key);
      return answer;
    });
  }
}

const TOKENS = refused(
  'UNAUTHENTICATED',
  'this registry works with tokens, which say nothing of trust data; its trust data are not served here: configure identities and access',
);

function ask(
  registry: GateRegistry,
  path: string,
  right: TrustRight,
  caller: Caller,
): Promise<Said> {
  switch (right) {
    case 'pull':
      return mayPull(registry, path, caller);
    case 'push':
      return mayPush(registry, path, caller);
    case 'delete':
      return mayDelete(registry, path, caller);
  }
}

/** Lists one tag. "Not there" is no yes, as some registries say so to strangers, unless the caller may push. */
async function mayPull(registry: GateRegistry, path: string, caller: Caller): Promise<Said> {
  const answer = await send(registry, 'GET', `/v2/${path}/tags/list?n=1`, caller);
  if (answer.statusCode === 200) return done(answer);
  if (answer.statusCode !== 404) return refusal(answer);
  await answer.body.dump();
  const push = await mayPush(registry, path, caller);
  if (push === null || (push.kind === 'relay' && push.status === 429)) return push;
  return refused('NAME_UNKNOWN', 'the registry has no such repository');
}

/** Begins an upload and takes it back. */
async function mayPush(registry: GateRegistry, path: string, caller: Caller): Promise<Said> {
  const answer = await send(registry, 'POST', `/v2/${path}/blobs/uploads/`, caller);
  if (answer.statusCode !== 202) return refusal(answer);
  await answer.body.dump();
  const session = ownPath(header(answer, 'location'), registry.upstream.origin);
  if (session === null) return null;
  // It says nothing of rights: upstream drops what was not continued in its own time.
  const undone = await send(registry, 'DELETE', session, caller).catch(() => null);
  await undone?.body.dump();
  return null;
}

/** Deletes a manifest that nobody has: upstream tells whether it would. */
async function mayDelete(registry: GateRegistry, path: string, caller: Caller): Promise<Said> {
  const push = await mayPush(registry, path, caller);
  if (push !== null) return push;
  const nothing = `/v2/${path}/manifests/sha256:${randomBytes(32).toString('hex')}`;
  const answer = await send(registry, 'DELETE', nothing, caller);
  if (answer.statusCode === 404 || answer.statusCode === 202) return done(answer);
  if (answer.statusCode !== 405 && answer.statusCode !== 400) return refusal(answer);
  await answer.body.dump();
  // Where anybody may push without a name there is nobody to ask: as with an open registry of our own.
  if (caller.authorization === null) return null;
  return refused('FORBIDDEN', 'the registry behind the gate deletes nothing');
}

function send(
  registry: GateRegistry,
  method: string,
  path: string,
  caller: Caller,
): Promise<Dispatcher.ResponseData> {
  // POST without a length is answered with 411 by some.
  const headers = method === 'POST' ? { 'content-length': '0' } : {};
  const signal = AbortSignal.timeout(TIMEOUT);
  return registry.upstream.exchange({ method, path, headers, signal }, caller);
}

async function done(answer: Dispatcher.ResponseData): Promise<null> {
  await answer.body.dump();
  return null;
}

/** What upstream's no means for the caller. Throws for what is neither yes nor no. */
async function refusal(answer: Dispatcher.ResponseData): Promise<Refused | Relayed> {
  const { statusCode } = answer;
  if (statusCode === 401) {
    const challenges = [answer.headers['www-authenticate'] ?? []].flat().flatMap(parseChallenges);
    if (challenges.every(({ scheme }) => scheme === 'basic') && challenges.length > 0)
      return relayed(answer);
    await answer.body.dump();
    return TOKENS;
  }
  if (statusCode === 429) return relayed(answer);
  await answer.body.dump();
  // One that takes no uploads says so in its own way.
  if ([403, 404, 405].includes(statusCode))
    return refused('FORBIDDEN', 'the registry behind the gate does not let you do this here');
  throw unavailable(`answered ${statusCode} when it was asked about rights`);
}
