import { LRUCache } from 'lru-cache';
import { CountersignError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/logger.ts';

const AGAIN_AFTER = 60_000;

/**
 * Tells the operator why upstream cannot be asked, each reason once a minute. Those who ask for
 * signatures turn a failure into "cannot be verified", which shows the client no detail and the
 * operator none either.
 */
export class Complaints {
  readonly #log: Logger | undefined;
  readonly #upstream: string;
  readonly #said = new LRUCache<string, true>({ max: 100, ttl: AGAIN_AFTER });

  constructor(log: Logger | undefined, upstream: string) {
    this.#log = log;
    this.#upstream = upstream;
  }

  /** Logs what `error` says to an operator, unless it was said within the minute; returns the error, to be thrown. */
  about(error: unknown): unknown {
    if (!(error instanceof CountersignError) || error.detail === undefined) return error;
    if (this.#said.has(error.detail)) return error;
    this.#said.set(error.detail, true);
    const { code, detail } = error;
    this.#log?.warn({ upstream: this.#upstream, errorCode: code, detail }, 'upstream failed');
    return error;
  }
}
