import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';

/** The statements of one connection, each prepared once. */
export class Statements {
  readonly #db: DatabaseSync;
  readonly #prepared = new Map<string, StatementSync>();

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** Runs a statement; returns how many rows it changed. Throws the engine's error. */
  run(sql: string, ...values: readonly SQLInputValue[]): number {
    return Number(this.#of(sql).run(...values).changes);
  }

  /** The first row that a statement gives; `undefined` where it gives none. Throws the engine's error. */
  get(sql: string, ...values: readonly SQLInputValue[]): Record<string, unknown> | undefined {
    return this.#of(sql).get(...values);
  }

  #of(sql: string): StatementSync {
    const known = this.#prepared.get(sql);
    if (known !== undefined) return known;
    const made = this.#db.prepare(sql);
    this.#prepared.set(sql, made);
    return made;
  }
}
