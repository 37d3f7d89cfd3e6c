import { LRUCache } from 'lru-cache';

/**
 * Tells whether something was forgotten meanwhile: what was read before a push, a signature or a
 * deletion must not be kept, nor joined, after it. Bounded; what it no longer knows exactly counts
 * as forgotten.
 */
export class Epochs {
  #count = 0;
  #floor = 0;
  readonly #last = new LRUCache<string, number>({
    max: 10_000,
    dispose: (epoch, _, why) => {
      if (why === 'evict') this.#floor = Math.max(this.#floor, epoch);
    },
  });

  /** The subject's epoch: taken before a look, and compared after it. */
  of(subject: string): number {
    return Math.max(this.#last.get(subject) ?? 0, this.#floor);
  }

  /** Begins a new epoch of the subject. */
  next(subject: string): void {
    this.#last.set(subject, ++this.#count);
  }
}
