import { CountersignError } from '../../../src/lib/errors.ts';
import type { Retry } from '../../../src/oci/exchange.ts';

/** A scan is long: it waits for as long as a busy registry asks it to (429, 503, `Retry-After`). */
export const PATIENT: Retry = { attempts: 6, baseMs: 250, maxMs: 120_000 };

/** Failures in a row after which a registry is taken to be down. */
const IN_A_ROW = 20;

/** Ends a command whose every step fails, instead of letting each of ten thousand fail by itself. */
export class Patience {
  readonly #goOn: string;
  #failed = 0;

  /** `goOn` says how the command is gone on with later. */
  constructor(goOn: string) {
    this.#goOn = goOn;
  }

  /** A step succeeded. */
  well(): void {
    this.#failed = 0;
  }

  /** A step failed for a reason that others may share. Throws UPSTREAM_UNAVAILABLE where too many have. */
  failed(why: string): void {
    if (++this.#failed < IN_A_ROW) return;
    throw new CountersignError(
      'UPSTREAM_UNAVAILABLE',
      `gave up after ${IN_A_ROW} failures in a row, the last: ${why}; ${this.#goOn}`,
    );
  }
}
