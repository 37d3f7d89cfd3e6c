import { LRUCache } from 'lru-cache';
import { Epochs } from '../../lib/epochs.ts';
import type { Clock } from '../../lib/time.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Repository } from '../../oci/reference.ts';
import type { Action, Decision } from '../../policy/decision.ts';

/** What a cached verdict is keyed by. */
export interface VerdictKey {
  readonly action: Action;
  readonly repository: Repository;
  readonly digest: Digest;
  readonly tag: string | null;
  readonly policyRevision: string;
  readonly trustRevision: number;
  /**
   * Whose rights the evidence was read with. What was found holds for everybody who may read here;
   * that nothing was found holds for them alone, since a registry hides from one what it shows another.
   */
  readonly reader: string;
}

/** A remembered verdict, and until when (ms). */
export interface RememberedVerdict {
  readonly decision: Decision;
  readonly usableUntil: number;
}

/** Evidence can change behind our back (a signature deleted in the registry directly): bounds in ms, from when it began to be read. */
export const ALLOW_TTL = 60_000;
const DENY_TTL = 3_000;
/** Verdicts that are remembered of one digest: tags are the client's to invent. */
const OF_SUBJECT = 256;

/** Remembers verdicts; bounded, and exact about what they stand on. */
export class VerdictCache {
  readonly #forAll = new LRUCache<string, RememberedVerdict>({ max: 50_000 });
  // Apart, so that a flood of digests that nobody signed pushes out no verdict on what was signed.
  readonly #forOne = new LRUCache<string, RememberedVerdict>({ max: 10_000 });
  // A subject that is pushed out takes its verdicts with it: what could not be forgotten is not kept.
  readonly #bySubject = new LRUCache<string, Set<string>>({
    max: 60_000,
    dispose: (keys, subject) => {
      const repository = subject.slice(0, subject.indexOf('\n'));
      const subjects = this.#subjectsOf.get(repository);
      subjects?.delete(subject);
      if (subjects?.size === 0) this.#subjectsOf.delete(repository);
      for (const key of keys) {
        this.#forAll.delete(key);
        this.#forOne.delete(key);
      }
    },
  });
  /** The subjects that are remembered of each repository: as many as are above. */
  readonly #subjectsOf = new Map<string, Set<string>>();
  readonly #epochs = new Epochs();
  readonly #repositories = new Epochs();
  readonly #now: Clock;

  constructor(now: Clock) {
    this.#now = now;
  }

  get(key: VerdictKey): Decision | undefined {
    return this.find(key)?.decision;
  }

  /** As {@link get}, with the time when it ends. */
  find(key: VerdictKey): RememberedVerdict | undefined {
    const text = keyText(key);
    const now = this.#now().getTime();
    const shared = this.#forAll.get(text);
    if (shared !== undefined && now < shared.usableUntil) return shared;
    const own = this.#forOne.get(`${text}\n${key.reader}`);
    return own !== undefined && now < own.usableUntil ? own : undefined;
  }

  /** To be taken before evidence is read, and given to {@link set}: what was forgotten meanwhile is not kept. */
  epoch(key: Pick<VerdictKey, 'repository' | 'digest'>): number {
    // Neither ever goes back, so the sum stays while both do.
    const { repository, digest } = key;
    return this.#epochs.of(subjectText(repository, digest)) + this.#repositories.of(repository);
  }

  /**
   * Keeps a verdict, no longer than `end` (ms), which is counted from when its evidence began to be
   * read, for this question or for another before. Refused are those that stand on "could not find out": trouble is never a verdict (T-57).
   */
  set(key: VerdictKey, decision: Decision, epoch: number, end = Infinity): void {
    const subject = subjectText(key.repository, key.digest);
    if (standsOnTrouble(decision) || epoch !== this.epoch(key)) return;
    const shared = holdsForAll(decision);
    const ttl = decision.decision === 'allow' ? ALLOW_TTL : DENY_TTL;
    const usableUntil = Math.min(
      this.#now().getTime() + ttl,
      end,
      decision.validUntil?.getTime() ?? Infinity,
    );
    const text = shared ? keyText(key) : `${keyText(key)}\n${key.reader}`;
    let keys = this.#bySubject.get(subject);
    // Beyond the bound the subject starts anew.
    if (keys === undefined || keys.size >= OF_SUBJECT) {
      keys = new Set();
      this.#bySubject.set(subject, keys);
      const subjects = this.#subjectsOf.get(key.repository) ?? new Set();
      this.#subjectsOf.set(key.repository, subjects.add(subject));
    }
    keys.add(text);
    (shared ? this.#forAll : this.#forOne).set(text, { decision, usableUntil });
  }

  /** Drops all verdicts on a digest in a repository, those on the way included: its evidence changed. */
  forget(repository: Repository, digest: Digest): void {
    const subject = subjectText(repository, digest);
    this.#epochs.next(subject);
    this.#bySubject.delete(subject);
  }

  /** Drops all verdicts on a repository, those on the way included: its trust data changed. */
  forgetRepository(repository: Repository): void {
    this.#repositories.next(repository);
    for (const subject of this.#subjectsOf.get(repository) ?? []) this.#bySubject.delete(subject);
  }
}

/** True where a verdict holds whoever's rights its evidence was read with: what it stands on was found and verified. */
export function holdsForAll(decision: Decision): boolean {
  return decision.decision === 'allow' && decision.reason.code !== 'WARNED';
}

/** True where a verdict says, or only lets pass, that something could not be found out. */
export function standsOnTrouble(decision: Decision): boolean {
  const { code } = decision.reason;
  if (code === 'CANNOT_VERIFY') return true;
  return code === 'WARNED' && decision.findings.some((one) => one.status === 'inconclusive');
}

// None of the parts can contain a newline (grammars of names, tags, digests), so keys cannot collide (T-58).
const subjectText = (repository: string, digest: string): string => `${repository}\n${digest}`;
/** The key of a verdict that holds for all; also what its evidence is looked for under, once for everybody. */
export const keyText = (key: VerdictKey): string =>
  `${key.repository}\n${key.digest}\n${key.tag ?? ''}\n${key.action}\n${key.policyRevision}\n${key.trustRevision}`;
