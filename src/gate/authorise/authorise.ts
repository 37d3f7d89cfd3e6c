import { LRUCache } from 'lru-cache';
import { codeOf } from '../../lib/errors.ts';
import { SingleFlight } from '../../lib/single-flight.ts';
import type { Repository } from '../../oci/reference.ts';
import { splitRepository } from '../../oci/reference.ts';
import type { Caller } from '../access/caller.ts';
import type { Refused } from '../outcome.ts';
import { refused } from '../outcome.ts';
import type { GatePorts, GateRegistry } from '../ports.ts';
import type { HeadAnswer, Relayed } from '../upstream/upstream.ts';

/** How long upstream's yes to one credential, repository and action is remembered, ms. */
const YES_FOR = 60_000;

/**
 * Whether a caller may do something in a repository, before any policy is looked at, so that a
 * refusal tells nothing to strangers. Where the gate has identities its own `access` rules answer;
 * else upstream does, by letting the caller's own credential in.
 */
export class Authoriser {
  readonly #ports: Pick<GatePorts, 'access' | 'now'>;
  /** When upstream was asked what it said yes to, and no. */
  readonly #yes = new LRUCache<string, number>({ max: 50_000 });
  // Apart, so that a flood of invented credentials pushes out nobody's yes.
  readonly #no = new LRUCache<string, number>({ max: 10_000 });
  readonly #flights = new SingleFlight<HeadAnswer>();

  constructor(ports: Pick<GatePorts, 'access' | 'now'>) {
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
   * `known` means that nothing was asked. While upstream is down, its last yes counts for `grace` ms,
   * but never longer than the credential itself.
   */
  async upstreamAllows(
    registry: GateRegistry,
    repository: Repository,
    reference: string,
    caller: Caller,
    grace: number,
  ): Promise<{ readonly kind: 'known' } | Exclude<HeadAnswer, Relayed> | Relayed> {
    if (!registry.upstreamJudges) return { kind: 'known' };
    const key = pullKey(caller, repository);
    if (this.#saidYes(key, caller, YES_FOR)) return { kind: 'known' };
    try {
      return await this.#flights.run(`${key}\n${reference}`, async () => {
        const asked = this.#ports.now().getTime();
        const { path } = splitRepository(repository);
        const answer = await registry.upstream.head(path, reference, caller);
        this.note(answer, caller, repository, asked);
        return answer;
      });
    } catch (error) {
      const down = codeOf(error) === 'UPSTREAM_UNAVAILABLE';
      if (down && this.#saidYes(key, caller, grace)) return { kind: 'known' };
      throw error;
    }
  }

  /** Learns from the answer that upstream gave to this caller's credential when it was `asked` (ms). */
  note(answer: HeadAnswer, caller: Caller, repository: Repository, asked: number): void {
    // A limit of requests says nothing of rights (T-57).
    if (answer.kind === 'relay' && answer.status === 429) return;
    const key = pullKey(caller, repository);
    // An answer that was overtaken by a later one counts no more: else a slow yes would undo a no.
    if (Math.max(this.#yes.get(key) ?? 0, this.#no.get(key) ?? 0) > asked) return;
    // "Not there" is no yes: many registries say so to whoever may not know that it is.
    const [said, other] = answer.kind === 'found' ? [this.#yes, this.#no] : [this.#no, this.#yes];
    said.set(key, asked);
    other.delete(key);
  }

  #saidYes(key: string, caller: Caller, within: number): boolean {
    const last = this.#yes.get(key);
    const now = this.#ports.now().getTime();
    if (last === undefined || now - last >= within) return false;
    return caller.expiresAt === undefined || now < caller.expiresAt;
  }
}

/** What upstream's answer to a pull is remembered by: no part can contain a newline (T-58). */
const pullKey = (caller: Caller, repository: Repository): string =>
  `${caller.credentialKey}\n${repository}\npull`;
