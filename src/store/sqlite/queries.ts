import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { CountersignError } from '../../lib/errors.ts';
import { storeFailure } from './failure.ts';

/** A row as the engine gives it. */
export type Row = Record<string, unknown>;

/** Most rows that one question gets. */
export const ROWS = 1000;

/** Prepared questions on a connection that cannot write; failures are the store's own errors. */
export class Queries {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** All rows of an answer; each question sees one consistent state. */
  all(sql: string, values: readonly SQLInputValue[]): readonly Row[] {
    try {
      return this.#prepared(sql).all(...values);
    } catch (error) {
      throw storeFailure(error);
    }
  }

  /** Row after row: who stops early reads no further. */
  *each(sql: string, values: readonly SQLInputValue[]): Generator<Row> {
    try {
      yield* this.#prepared(sql).iterate(...values);
    } catch (error) {
      throw storeFailure(error);
    }
  }

  /** Ends the connection; later questions are STORE_UNAVAILABLE. */
  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  #prepared(sql: string): StatementSync {
    if (!this.#db.isOpen) throw new CountersignError('STORE_UNAVAILABLE', 'the store is closed');
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

/** Checks how many rows are asked for. Throws REQUEST_INVALID. */
export function checkLimit(limit: number): void {
  if (Number.isSafeInteger(limit) && limit >= 1 && limit <= ROWS) return;
  throw new CountersignError('REQUEST_INVALID', `expected a limit of 1 to ${ROWS}, found ${limit}`);
}
