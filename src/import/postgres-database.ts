import pg from 'pg';
import { CountersignError, messageOf } from '../lib/errors.ts';

/** A row by names of columns, as the driver reads them. */
export type Row = Readonly<Record<string, unknown>>;

/** A database that is read, all of it in one state. */
export interface Database {
  /** Host, port and name: never the password. */
  readonly name: string;
  rows(query: string, values?: readonly unknown[]): Promise<Row[]>;
  close(): Promise<void>;
}

/**
 * Opens a database for reading. Throws USAGE for what is no address of PostgreSQL, IMPORT_UNREADABLE where
 * it does not answer; every query the same.
 */
export async function connect(url: string): Promise<Database> {
  const name = nameOf(url);
  const fail = (error: unknown): CountersignError =>
    new CountersignError('IMPORT_UNREADABLE', `expected to read ${name}, but ${messageOf(error)}`, {
      cause: error,
    });
  const client = new pg.Client({
    connectionString: url,
    application_name: 'countersign import',
    connectionTimeoutMillis: 10_000,
  });
  // A connection that breaks fails the query that runs or comes next; it must not end the process.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY');
  } catch (error) {
    await client.end().catch(() => undefined);
    throw fail(error);
  }
  return {
    name,
    rows: async (query, values = []) => {
      try {
        return (await client.query<Row>(query, [...values])).rows;
      } catch (error) {
        throw fail(error);
      }
    },
    close: () => client.end(),
  };
}

function nameOf(url: string): string {
  try {
    const { protocol, host, pathname } = new URL(url);
    if (protocol === 'postgres:' || protocol === 'postgresql:') {
      return `postgres://${host}${pathname}`;
    }
  } catch {
    // fall through: what is no address may be a password
  }
  throw new CountersignError(
    'USAGE',
    'expected a database as postgres://[USER[:PASSWORD]@]HOST[:PORT]/NAME; read MySQL from a dump of mysqldump',
  );
}
