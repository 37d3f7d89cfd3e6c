import { LRUCache } from 'lru-cache';
import type { Clock } from '../../lib/time.ts';
import type { Repository } from '../../oci/reference.ts';
import type { Access } from './access.ts';
import type { Caller } from './caller.ts';

/** How long an accepted upload or manifest tells that its sender pushes here, ms. */
const AFTER_WRITE = 600_000;
/** How long a HEAD of a blob does: who pulls asks for no blob before its manifest, and then with GET. */
const AFTER_PROBE = 60_000;

/** How long it still does after a tag was pushed, for pushes of other tags that go on beside it. */
const AFTER_TAG = 10_000;

/** What was seen of one caller in one repository. */
interface Signs {
  /** When the last sign came, among all. */
  readonly last: number;
  readonly until: number;
}

/**
 * Who pushes to a repository. With identities their right says it; without them nobody's right is
 * known to the gate, so that what a caller evidently does here counts for a while: bounded, in memory,
 * by credential, address and repository. It decides nothing but how a refused HEAD reads (containerd
 * gives up a push on anything but 200 or 404): never a verdict, never a GET.
 */
export class Pushers {
  readonly #access: Access;
  readonly #now: Clock;
  readonly #signs = new LRUCache<string, Signs>({ max: 20_000 });
  /** By caller, repository and tag, when it was pushed, among all signs. */
  readonly #given = new LRUCache<string, number>({ max: 20_000 });
  #count = 0;

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

  /**
   * The caller's push of a tag is over, whichever way: who asks for that tag next pulls it, and must be
   * told why not. A push begins with its blobs, so that the next one tells of itself again.
   */
  finished(caller: Caller, repository: Repository, tag: string): void {
    if (!this.#access.open) return;
    const key = keyOf(caller, repository);
    const signs = this.#signs.get(key);
    if (signs === undefined) return;
    this.#given.set(`${key}\n${tag}`, ++this.#count);
    const until = Math.min(signs.until, this.#now().getTime() + AFTER_TAG);
    this.#signs.set(key, { ...signs, until });
  }

  /**
   * True for a caller with the right to push, or, where the gate knows no rights, one that evidently does:
   * the tag (`null` for a digest), or another one of the repository.
   */
  includes(caller: Caller, repository: Repository, tag: string | null): boolean {
    if (!this.#access.open) return this.#access.may(caller, 'push', repository);
    const key = keyOf(caller, repository);
    const signs = this.#signs.get(key);
    if (signs === undefined || signs.until <= this.#now().getTime()) return false;
    const given = tag === null ? undefined : this.#given.get(`${key}\n${tag}`);
    return given === undefined || signs.last > given;
  }

  #note(caller: Caller, repository: Repository, ms: number): void {
    if (!this.#access.open) return;
    const key = keyOf(caller, repository);
    const until = Math.max(this.#signs.get(key)?.until ?? 0, this.#now().getTime() + ms);
    this.#signs.set(key, { last: ++this.#count, until });
  }
}

/** None of the parts can contain a newline (T-58). */
const keyOf = (caller: Caller, repository: Repository): string =>
  `${caller.credentialKey}\n${caller.address ?? ''}\n${repository}`;
