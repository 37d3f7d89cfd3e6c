import type { DatabaseSync } from 'node:sqlite';
import { CountersignError } from '../../lib/errors.ts';
import type { HighWater } from '../high-water.ts';
import { prepareHighWater, readHighWater } from '../high-water.ts';
import { Applier } from './apply.ts';
import { openConnection } from './connection.ts';
import { isEngineFailure, storeFailure } from './failure.ts';
import { markOf, rollbackOf } from './mark.ts';
import type { EncodedWrite, Failure, Outcome, WriterOptions } from './protocol.ts';
import { migrate } from './schema.ts';
import { Statements } from './statements.ts';

/** A failure as plain data, for the other thread. */
export function failureOf(error: unknown): Failure {
  const { code, message, detail } = storeFailure(error);
  return { ok: false, code, message, ...(detail === undefined ? {} : { detail }) };
}

/** A database that is open, and what is cached of it. */
interface Opened {
  readonly db: DatabaseSync;
  readonly statements: Statements;
  readonly mark: HighWater;
}

/** The one writer: group commits against the database, then the high-water file. Synchronous; lives in a thread. */
export class Writer {
  readonly #options: WriterOptions;
  #db: DatabaseSync;
  #statements: Statements;
  #applier: Applier;
  #mark: HighWater;

  /** Opens the database, brings it to the present schema, and compares it with the high-water file. Throws STORE_ROLLED_BACK where it is older. */
  constructor(options: WriterOptions) {
    this.#options = options;
    const opened = this.#open();
    this.#db = opened.db;
    this.#statements = opened.statements;
    this.#applier = new Applier(opened.statements);
    this.#mark = opened.mark;
  }

  #open(): Opened {
    const { data, maxPages } = this.#options;
    const db = openConnection(data, 'writer', maxPages === undefined ? {} : { maxPages });
    try {
      migrate(db);
      const statements = new Statements(db);
      const rolledBack = rollbackOf(statements, data);
      if (rolledBack !== null) {
        throw new CountersignError(
          'STORE_ROLLED_BACK',
          `${rolledBack}: a revoked key could be back; restore the newest copy, or record the loss with: countersign recover --data ${data} --reason TEXT`,
        );
      }
      const mark = markOf(statements);
      const seen = readHighWater(data);
      if (seen === null || seen === 'unreadable' || !sameMark(seen, mark))
        prepareHighWater(data, mark)();
      return { db, statements, mark };
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** Commits the batch in one transaction; each commit has its own outcome. Never throws. */
  run(commits: readonly (readonly EncodedWrite[])[], now: number): Outcome[] {
    try {
      // After a failure of the engine or the disk nothing that is cached is trusted: begin anew.
      if (!this.#db.isOpen) {
        const opened = this.#open();
        this.#db = opened.db;
        this.#statements = opened.statements;
        this.#applier = new Applier(opened.statements);
        this.#mark = opened.mark;
      }
      return this.#transaction(commits, now);
    } catch (error) {
      const failure = failureOf(error);
      this.#abandon(failure);
      return commits.map(() => failure);
    }
  }

  #transaction(commits: readonly (readonly EncodedWrite[])[], now: number): Outcome[] {
    const db = this.#db;
    db.exec('BEGIN IMMEDIATE');
    const outcomes = commits.map((writes) => this.#one(writes, now));
    const mark = markOf(this.#statements);
    // Written and synced before the commit, put in place after it: a full disk changes nothing, and
    // the file is never ahead of the database.
    const place = sameMark(mark, this.#mark)
      ? undefined
      : prepareHighWater(this.#options.data, mark);
    db.exec('COMMIT');
    try {
      place?.();
    } catch (error) {
      // Committed, but not to be answered as such: the caller repeats, and gets what is stored.
      const detail = error instanceof Error ? error.message : String(error);
      throw new CountersignError(
        'STORE_UNAVAILABLE',
        'the high-water file could not be put in place',
        { cause: error, detail },
      );
    }
    this.#mark = mark;
    return outcomes;
  }

  #one(writes: readonly EncodedWrite[], now: number): Outcome {
    this.#db.exec('SAVEPOINT one');
    try {
      const done = this.#applier.apply(writes, now);
      this.#db.exec('RELEASE one');
      return done;
    } catch (error) {
      // A failure of the disk or the engine is everybody's; SQLite may even have ended the transaction.
      if (isEngineFailure(error) || !this.#db.isTransaction) throw error;
      this.#db.exec('ROLLBACK TO one');
      this.#db.exec('RELEASE one');
      return failureOf(error);
    }
  }

  #abandon(failure: Failure): void {
    try {
      if (this.#db.isOpen && this.#db.isTransaction) this.#db.exec('ROLLBACK');
      if (failure.code !== 'STORAGE_FULL' && this.#db.isOpen) this.#db.close();
    } catch {
      if (this.#db.isOpen) this.#db.close();
    }
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }
}

function sameMark(a: HighWater, b: HighWater): boolean {
  return (
    a.store === b.store &&
    a.trustRevision === b.trustRevision &&
    a.logs.sig.head === b.logs.sig.head &&
    a.logs.dec.head === b.logs.dec.head &&
    a.feed.head === b.feed.head
  );
}
