import { LRUCache } from 'lru-cache';
import type { Clock } from '../../lib/time.ts';
import type { Repository } from '../../oci/reference.ts';
import type { Access } from './access.ts';
import type { Caller } from './caller.ts';

/** How long an accepted upload or manifest tells that its sender pushes here, ms. */
const AFTER_WRITE = 600_000;
/** How long a HEAD of a blob does: who pulls asks for no blob before its manifest, and then with GET. */
const AFTER_PROBE = 60_000;

/**
 * Who pushes to a repository. With identities their right says it; without them nobody's right is
 * known to the gate, so that what a caller evidently does here counts for a while: bounded, in memory,
 * by credential, address and repository. It decides nothing but how a refused HEAD reads (containerd
 * gives up a push on anything but 200 or 404): never a verdict, never a GET.
 */
export class Pushers {
  readonly #access: Access;
  readonly #now: Clock;
  readonly #until = new LRUCache<string, number>({ max: 20_000 });

  constructor(access: Access, now: Clock) {
    this.#access = access;
    this.#now = now;
  }

  /** Upstream took an upload or a manifest from the caller. */
  wrote(caller: Caller, repository: Repository): void {
    this.#note(caller, repository, AFTER_WRITE);
  }

  /** The caller asked by HEAD whether the repository has a blob. */
  probed(caller: Caller, repository: Repository): void {
    this.#note(caller, repository, AFTER_PROBE);
  }

  /** True for a caller with the right to push, or, where the gate knows no rights, one that evidently does. */
  includes(caller: Caller, repository: Repository): boolean {
    if (!this.#access.open) return this.#access.may(caller, 'push', repository);
    return (this.#until.get(keyOf(caller, repository)) ?? 0) > this.#now().getTime();
  }

  #note(caller: Caller, repository: Repository, ms: number): void {
    if (!this.#access.open) return;
    const key = keyOf(caller, repository);
    const until = this.#now().getTime() + ms;
    if ((this.#until.get(key) ?? 0) < until) this.#until.set(key, until);
  }
}

/** None of the parts can contain a newline (T-58). */
const keyOf = (caller: Caller, repository: Repository): string =>
  `${caller.credentialKey}\n${caller.address ?? ''}\n${repository}`;
