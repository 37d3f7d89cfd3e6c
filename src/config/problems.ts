import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';

/** Collects what is wrong with a configuration, so that all of it is said at once. */
export class Problems {
  readonly #lines: string[] = [];
  readonly #warnings: string[] = [];

  /** Adds an error with its place; returns `undefined` in place of the value. */
  add(at: string, message: string): undefined {
    this.#lines.push(`${at}: ${message}`);
    return undefined;
  }

  /** Adds something that works but is probably not meant. */
  warn(message: string): void {
    this.#warnings.push(message);
  }

  /** The warnings so far. */
  get warnings(): readonly string[] {
    return this.#warnings;
  }

  /** The value where nothing is wrong, else all errors. */
  finish<T>(value: T): Result<T> {
    return this.#lines.length === 0
      ? ok(value)
      : refuse('CONFIG_INVALID', [...new Set(this.#lines)].join('\n'));
  }
}
