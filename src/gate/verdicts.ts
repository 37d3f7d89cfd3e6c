import { LRUCache } from 'lru-cache';
import type { Clock } from '../lib/time.ts';
import type { Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
import type { Action, Decision } from '../policy/decision.ts';

/** What a cached verdict is keyed by (DESIGN section 3, rule 9). */
export interface VerdictKey {
  readonly action: Action;
  readonly repository: Repository;
  readonly digest: Digest;
  readonly tag: string | null;
  readonly policyRevision: string;
  readonly trustRevision: number;
}

interface Entry {
  readonly decision: Decision;
  readonly madeAt: number;
  readonly usableUntil: number;
}

/** Evidence can change behind our back (a signature deleted in the registry directly): bounds in ms. */
const ALLOW_TTL = 60_000;
const DENY_TTL = 3_000;

/** Remembers verdicts; bounded, and exact about what they stand on. */
export class VerdictCache {
  readonly #entries = new LRUCache<string, Entry>({ max: 50_000 });
  // A subject that is pushed out takes its verdicts with it: what could not be forgotten is not kept.
  readonly #bySubject = new LRUCache<string, Set<string>>({
    max: 50_000,
    dispose: (keys) => {
      for (const key of keys) this.#entries.delete(key);
    },
  });
  readonly #now: Clock;
  #epoch = 0;

  constructor(now: Clock) {
    this.#now = now;
  }

  get(key: VerdictKey): Decision | undefined {
    const entry = this.#entries.get(keyText(key));
    if (entry === undefined || this.#now().getTime() >= entry.usableUntil) return undefined;
    return entry.decision;
  }

  /**
   * An allow that is past its time here but not older than `grace` ms, and whose own evidence still
   * stands: for as long as nobody can be asked (`authGrace`).
   */
  lastAllow(key: VerdictKey, grace: number): Decision | undefined {
    const entry = this.#entries.get(keyText(key));
    const now = this.#now().getTime();
    if (entry?.decision.decision !== 'allow' || now - entry.madeAt >= grace) return undefined;
    const ends = entry.decision.validUntil?.getTime() ?? Infinity;
    return now < ends ? entry.decision : undefined;
  }

  /** To be taken before evidence is read, and given to {@link set}: what was forgotten meanwhile is not kept. */
  epoch(): number {
    return this.#epoch;
  }

  /** Keeps a verdict. Refused are those that say "could not find out": trouble is never a verdict (T-57). */
  set(key: VerdictKey, decision: Decision, epoch: number): void {
    if (decision.reason.code === 'CANNOT_VERIFY' || epoch !== this.#epoch) return;
    const ttl = decision.decision === 'allow' ? ALLOW_TTL : DENY_TTL;
    const madeAt = this.#now().getTime();
    const usableUntil = Math.min(madeAt + ttl, decision.validUntil?.getTime() ?? Infinity);
    const text = keyText(key);
    const subject = subjectText(key.repository, key.digest);
    let keys = this.#bySubject.get(subject);
    // Tags are the client's to invent: beyond a bound the subject starts anew.
    if (keys === undefined || keys.size >= 256) {
      keys = new Set();
      this.#bySubject.set(subject, keys);
    }
    keys.add(text);
    this.#entries.set(text, { decision, madeAt, usableUntil });
  }

  /** Drops all verdicts on a digest in a repository: its evidence changed. */
  forget(repository: Repository, digest: Digest): void {
    this.#epoch++;
    this.#bySubject.delete(subjectText(repository, digest));
  }
}

// None of the parts can contain a newline (grammars of names, tags, digests), so keys cannot collide (T-58).
const subjectText = (repository: string, digest: string): string => `${repository}\n${digest}`;
const keyText = (key: VerdictKey): string =>
  `${key.repository}\n${key.digest}\n${key.tag ?? ''}\n${key.action}\n${key.policyRevision}\n${key.trustRevision}`;
