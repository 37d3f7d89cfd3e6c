import { LRUCache } from 'lru-cache';
import { CountersignError } from '../lib/errors.ts';
import type { Repository } from '../oci/reference.ts';
import { splitRepository } from '../oci/reference.ts';
import type { Caller } from './caller.ts';
import type { Refused } from './outcome.ts';
import { refused } from './outcome.ts';
import type { GatePorts, GateRegistry } from './ports.ts';
import type { HeadAnswer, Relayed } from './upstream.ts';

/** How long upstream's yes to one credential, repository and action is remembered, ms (DESIGN 5). */
const YES_FOR = 60_000;

/**
 * Whether a caller may do something in a repository, before any policy is looked at, so that a
 * refusal tells nothing to strangers. Where the gate has identities its own `access` rules answer;
 * else upstream does, by letting the caller's own credential in.
 */
export class Authoriser {
  readonly #ports: GatePorts;
  readonly #yes = new LRUCache<string, number>({ max: 50_000 });

  constructor(ports: GatePorts) {
    this.#ports = ports;
  }

  /** `null` where the gate's own rules let the caller through; upstream is not asked. */
  check(caller: Caller, right: 'pull' | 'push' | 'delete', repository: Repository): Refused | null {
    if (this.#ports.access.may(caller, right, repository)) return null;
    if (!caller.authenticated)
      return refused(
        'UNAUTHENTICATED',
        `${right} of ${repository} needs an identity: log in first (docker login)`,
      );
    return refused(
      'FORBIDDEN',
      `${caller.name} may not ${right} in ${repository}; ask whoever keeps the access rules`,
    );
  }

  /**
   * Asks upstream whether it lets the caller read a reference, unless it said so within the minute.
   * `known` means that nothing was asked. While upstream is down, its last yes counts for `grace` ms.
   */
  async upstreamAllows(
    registry: GateRegistry,
    repository: Repository,
    reference: string,
    caller: Caller,
    grace: number,
  ): Promise<{ readonly kind: 'known' } | Exclude<HeadAnswer, Relayed> | Relayed> {
    if (!registry.upstreamJudges) return { kind: 'known' };
    const key = yesKey(caller, repository);
    const now = this.#ports.now().getTime();
    const last = this.#yes.get(key);
    if (last !== undefined && now - last < YES_FOR) return { kind: 'known' };
    try {
      const answer = await registry.upstream.head(
        splitRepository(repository).path,
        reference,
        caller,
      );
      this.note(answer, caller, repository);
      return answer;
    } catch (error) {
      const down = error instanceof CountersignError && error.code === 'UPSTREAM_UNAVAILABLE';
      if (down && last !== undefined && now - last < grace) return { kind: 'known' };
      throw error;
    }
  }

  /** Learns from an answer that upstream gave to this caller's credential. */
  note(answer: HeadAnswer, caller: Caller, repository: Repository): void {
    const key = yesKey(caller, repository);
    // "Not there" is no yes: many registries say so to whoever may not know that it is.
    if (answer.kind === 'found') this.#yes.set(key, this.#ports.now().getTime());
    else this.#yes.delete(key);
  }
}

/** What upstream's yes to a pull is remembered by: neither part can contain a newline (T-58). */
const yesKey = (caller: Caller, repository: Repository): string =>
  `${caller.credentialKey}\n${repository}`;
