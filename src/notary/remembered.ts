import { LRUCache } from 'lru-cache';

/**
 * Remembers a value by key, bounded in entries and bytes, and loads it once for all who ask meanwhile.
 * What was being loaded when its key was forgotten goes to those who waited and is not remembered: it
 * may be from before the change.
 */
export class Remembered<T extends object> {
  readonly #kept: LRUCache<string, T>;
  readonly #loading = new Map<string, Promise<T>>();

  constructor(bounds: {
    readonly entries: number;
    readonly bytes: number;
    readonly sizeOf: (value: T) => number;
  }) {
    this.#kept = new LRUCache({
      max: bounds.entries,
      maxSize: bounds.bytes,
      sizeCalculation: (value) => Math.max(1, Math.ceil(bounds.sizeOf(value))),
    });
  }

  /** The remembered value where it is still `fresh`, else what `load` gives. Rejects as `load` does, which is not remembered. */
  get(key: string, load: () => Promise<T>, fresh: (value: T) => boolean = always): Promise<T> {
    const kept = this.#kept.get(key);
    if (kept !== undefined && fresh(kept)) return Promise.resolve(kept);
    const running = this.#loading.get(key);
    if (running !== undefined) return running;
    const started = load()
      .then((value) => {
        if (this.#loading.get(key) === started) this.#kept.set(key, value);
        return value;
      })
      .finally(() => {
        if (this.#loading.get(key) === started) this.#loading.delete(key);
      });
    this.#loading.set(key, started);
    return started;
  }

  /** Remembers a value that is known without loading it. */
  set(key: string, value: T): void {
    this.#loading.delete(key);
    this.#kept.set(key, value);
  }

  /** Forgets a key: who asks from now on gets what is loaded from now on. */
  forget(key: string): void {
    this.#loading.delete(key);
    this.#kept.delete(key);
  }
}

function always(): boolean {
  return true;
}
