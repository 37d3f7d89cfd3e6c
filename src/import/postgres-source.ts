import { CountersignError } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import { SIZE_SQL, sizeProblem, tooManyRepositories } from './import-bounds.ts';
import type { Database, Row } from './postgres-database.ts';
import { connect } from './postgres-database.ts';
import type { Columns } from './rows.ts';
import { readChangeRow, readFileRow, readKeyRow } from './rows.ts';
import type {
  NotarySource,
  SourceChange,
  SourceFile,
  SourceKey,
  SourceRepository,
} from './source.ts';

// Times as text: pg would read what the database calls "without time zone" in this machine's own.
const FILES = `SELECT gun, role, version, data, sha256, created_at::text AS created_at,
  deleted_at::text AS deleted_at
  FROM tuf_files WHERE gun = $1 ORDER BY id`;
const SIZE = `SELECT ${SIZE_SQL} AS bytes FROM tuf_files WHERE gun = $1`;
// Nothing is named by an empty list; one row more than there may be.
const NAMED = '(cardinality($1::text[]) = 0 OR gun = ANY($1))';
const MOST = `LIMIT ${LIMITS.importRepositories + 1}`;
const ALL_SIZE = `SELECT ${SIZE_SQL} AS bytes FROM tuf_files WHERE ${NAMED}`;
const GUNS = `SELECT DISTINCT gun FROM tuf_files WHERE ${NAMED} ${MOST}`;
const FEED_GUNS = `SELECT DISTINCT gun FROM changefeed WHERE ${NAMED} ${MOST}`;
const PAGE = 10_000;
const CHANGES = `SELECT id, gun, version, sha256, category, created_at::text AS created_at
  FROM changefeed WHERE gun = $1 AND id > $2 ORDER BY id LIMIT ${PAGE}`;
const KEYS = `SELECT gun, role, key_id, algorithm, keywrap_alg, encryption_alg, passphrase_alias, public,
  private, created_at::text AS created_at, last_used::text AS last_used, deleted_at::text AS deleted_at
  FROM private_keys WHERE gun = $1 OR key_id = ANY($2) ORDER BY id`;
const HAS_FEED = "SELECT to_regclass('changefeed') IS NOT NULL AS there";

/**
 * Reads the databases of a running or stopped notary-server and notary-signer, of all repositories or
 * those that are named; nothing is written to them, and all of it is one state of each. Throws
 * IMPORT_UNREADABLE where they cannot be read.
 */
export async function openPostgres(
  server: string,
  signer: string | null,
  repositories: readonly string[],
): Promise<NotarySource> {
  const database = await connect(server);
  try {
    const keys = signer === null ? null : await connect(signer);
    const hasFeed = (await database.rows(HAS_FEED))[0]?.['there'] === true;
    return new PostgresSource({ database, keys, hasFeed, repositories });
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
  readonly #named: readonly string[];

  constructor(given: {
    readonly database: Database;
    readonly keys: Database | null;
    readonly hasFeed: boolean;
    readonly repositories: readonly string[];
  }) {
    this.name = given.database.name;
    this.hasKeys = given.keys !== null;
    this.#server = given.database;
    this.#signer = given.keys;
    this.#hasFeed = given.hasFeed;
    this.#named = given.repositories;
  }

  async bytes(): Promise<number> {
    const [size] = await this.#server.rows(ALL_SIZE, [this.#named]);
    return Number(size?.['bytes'] ?? 0);
  }

  async guns(): Promise<readonly string[]> {
    const guns = new Set<string>();
    // A repository that was deleted is only in the feed.
    for (const query of this.#hasFeed ? [GUNS, FEED_GUNS] : [GUNS]) {
      const rows = await this.#server.rows(query, [this.#named]);
      for (const row of rows) guns.add(columnsOf(row).text('gun') ?? '');
    }
    if (guns.size > LIMITS.importRepositories) throw tooManyRepositories();
    return [...guns].toSorted();
  }

  async repository(gun: string): Promise<SourceRepository> {
    const [size] = await this.#server.rows(SIZE, [gun]);
    const tooLarge = sizeProblem(Number(size?.['bytes'] ?? 0));
    if (tooLarge !== null) return { files: [], problem: tooLarge };
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

  async *changes(gun: string): AsyncGenerator<SourceChange, void, undefined> {
    let after = 0;
    for (let more = this.#hasFeed; more;) {
      const rows = await this.#server.rows(CHANGES, [gun, after]);
      for (const row of rows) {
        const { row: read } = readChangeRow(columnsOf(row));
        if (!read.ok) {
          throw new CountersignError('IMPORT_UNREADABLE', `changefeed: ${read.refusal.message}`);
        }
        if (read.value === null) continue;
        yield read.value;
        after = read.value.id;
      }
      more = rows.length === PAGE;
    }
  }

  async close(): Promise<void> {
    await this.#server.close();
    await this.#signer?.close();
  }
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
