import pg from 'pg';
import { CountersignError, messageOf } from '../lib/errors.ts';
import type { Columns } from './rows.ts';
import { readChangeRow, readFileRow, readKeyRow } from './rows.ts';
import type {
  NotarySource,
  SourceChange,
  SourceFile,
  SourceKey,
  SourceRepository,
} from './source.ts';

type Row = Readonly<Record<string, unknown>>;

// Times as text: pg would read what the database calls "without time zone" in this machine's own.
const FILES = `SELECT gun, role, version, data, sha256, deleted_at::text AS deleted_at
  FROM tuf_files WHERE gun = $1 ORDER BY id`;
const GUNS = 'SELECT DISTINCT gun FROM tuf_files';
const FEED_GUNS = 'SELECT DISTINCT gun FROM changefeed';
const CHANGES = `SELECT id, gun, version, sha256, category, created_at::text AS created_at
  FROM changefeed WHERE gun = $1 ORDER BY id`;
const KEYS = `SELECT gun, role, key_id, algorithm, keywrap_alg, encryption_alg, passphrase_alias, public,
  private, created_at::text AS created_at, last_used::text AS last_used, deleted_at::text AS deleted_at
  FROM private_keys WHERE gun = $1 OR key_id = ANY($2) ORDER BY id`;
const HAS_FEED = "SELECT to_regclass('changefeed') IS NOT NULL AS there";

/**
 * Reads the databases of a running or stopped notary-server and notary-signer; nothing is written to
 * them, and all of it is one state of each. Throws IMPORT_UNREADABLE where they cannot be read.
 */
export async function openPostgres(server: string, signer: string | null): Promise<NotarySource> {
  const database = await connect(server);
  try {
    const keys = signer === null ? null : await connect(signer);
    const hasFeed = (await database.rows(HAS_FEED))[0]?.['there'] === true;
    return new PostgresSource(database, keys, hasFeed);
  } catch (error) {
    await database.close();
    throw error;
  }
}

class PostgresSource implements NotarySource {
  readonly name: string;
  readonly hasKeys: boolean;
  readonly #server: Database;
  readonly #signer: Database | null;
  readonly #hasFeed: boolean;

  constructor(server: Database, signer: Database | null, hasFeed: boolean) {
    this.name = server.name;
    this.hasKeys = signer !== null;
    this.#server = server;
    this.#signer = signer;
    this.#hasFeed = hasFeed;
  }

  async guns(): Promise<readonly string[]> {
    const rows = await this.#server.rows(GUNS);
    // A repository that was deleted is only in the feed.
    if (this.#hasFeed) rows.push(...(await this.#server.rows(FEED_GUNS)));
    return [...new Set(rows.map((row) => columnsOf(row).text('gun') ?? ''))].toSorted();
  }

  async repository(gun: string): Promise<SourceRepository> {
    const files: SourceFile[] = [];
    for (const row of await this.#server.rows(FILES, [gun])) {
      const { row: read } = readFileRow(columnsOf(row));
      if (!read.ok) return { files, problem: `tuf_files: ${read.refusal.message}` };
      if (read.value !== null) files.push(read.value);
    }
    return { files, problem: null };
  }

  async keys(gun: string, ids: readonly string[]): Promise<readonly SourceKey[]> {
    const rows = (await this.#signer?.rows(KEYS, [gun, ids])) ?? [];
    return rows.flatMap((row) => {
      const { row: read } = readKeyRow(columnsOf(row));
      if (!read.ok) {
        throw new CountersignError('IMPORT_UNREADABLE', `private_keys: ${read.refusal.message}`);
      }
      return read.value ?? [];
    });
  }

  async changes(gun: string): Promise<readonly SourceChange[]> {
    if (!this.#hasFeed) return [];
    return (await this.#server.rows(CHANGES, [gun])).flatMap((row) => {
      const { row: read } = readChangeRow(columnsOf(row));
      if (!read.ok) {
        throw new CountersignError('IMPORT_UNREADABLE', `changefeed: ${read.refusal.message}`);
      }
      return read.value ?? [];
    });
  }

  async close(): Promise<void> {
    await this.#server.close();
    await this.#signer?.close();
  }
}

interface Database {
  /** Host, port and name: never the password. */
  readonly name: string;
  rows(query: string, values?: readonly unknown[]): Promise<Row[]>;
  close(): Promise<void>;
}

async function connect(url: string): Promise<Database> {
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

function columnsOf(row: Row): Columns {
  return {
    text: (name) => {
      const value = row[name] ?? null;
      if (typeof value === 'string') return value;
      return typeof value === 'number' ? `${value}` : null;
    },
    bytes: (name) => {
      const value = row[name] ?? null;
      if (value === null) return null;
      return value instanceof Uint8Array ? value : undefined;
    },
  };
}
