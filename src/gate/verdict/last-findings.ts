import { LRUCache } from 'lru-cache';
import type { Clock } from '../../lib/time.ts';
import type { Decision } from '../../policy/decision.ts';
import type { VerdictKey } from './verdicts.ts';

interface Entry {
  readonly findings: Decision['findings'];
  readonly at: number;
  readonly epoch: number;
}

type Subject = Pick<VerdictKey, 'repository' | 'digest' | 'policyRevision'>;

/**
 * The evidence that a digest was last allowed by, for as long as the registry cannot be asked
 * (`authGrace`). Findings and not verdicts: they are judged anew each time, so that a revocation, an
 * age or an exception counts in an outage as it does at any other time.
 */
export class LastFindings {
  readonly #entries = new LRUCache<string, Entry>({ max: 50_000 });
  readonly #now: Clock;

  constructor(now: Clock) {
    this.#now = now;
  }

  /** Keeps what an allow stands on; `epoch` is the verdicts' own. */
  set(subject: Subject, findings: Decision['findings'], epoch: number): void {
    this.#entries.set(key(subject), { findings, at: this.#now().getTime(), epoch });
  }

  /** What was found within the last `grace` ms under the same policies, if nothing was forgotten since. */
  get(subject: Subject, grace: number, epoch: number): Decision['findings'] | undefined {
    const entry = this.#entries.get(key(subject));
    if (entry === undefined || entry.epoch !== epoch) return undefined;
    return this.#now().getTime() - entry.at < grace ? entry.findings : undefined;
  }

  /** The evidence was read again and does not suffice any more. */
  delete(subject: Subject): void {
    this.#entries.delete(key(subject));
  }
}

const key = ({ repository, digest, policyRevision }: Subject): string =>
  `${repository}\n${digest}\n${policyRevision}`;
