import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { CountersignError } from '../../lib/errors.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Repository } from '../../oci/reference.ts';
import { decodeEvent, leafHashOf } from '../event-body.ts';
import type {
  ArtifactRecord,
  EventQuery,
  Hold,
  LogName,
  Revocation,
  Store,
  StoredEvent,
} from '../store.ts';
import type { Row } from './queries.ts';
import { Queries, ROWS, checkLimit } from './queries.ts';
import type { ArtifactRow, HoldRow, RevocationRow } from './rows.ts';
import { HOLD_COLUMNS, artifactOf, blobOf, holdOf, revocationOf } from './rows.ts';
import { TrustReader } from './trust-reader.ts';

/** Most bytes of held manifests in one answer; the first hold comes whatever its size. */
const HOLD_BYTES = 64 * 1024 * 1024;

/** The reads of the store, by prepared statements on a connection that cannot write. */
export class Reader {
  readonly #queries: Queries;
  /** The questions to trust data. */
  readonly trust: TrustReader;

  constructor(db: DatabaseSync) {
    this.#queries = new Queries(db);
    this.trust = new TrustReader(this.#queries);
  }

  /** See {@link Store.events}. */
  events(query: EventQuery): readonly StoredEvent[] {
    const { repository, tag, digest, type, log, index, before, limit } = query;
    checkLimit(limit);
    if (tag !== undefined && repository === undefined)
      throw new CountersignError(
        'REQUEST_INVALID',
        'expected a repository with the tag, found none',
      );
    const where: string[] = [];
    const values: SQLInputValue[] = [];
    const add = (clause: string, value: string | number | undefined): void => {
      if (value === undefined) return;
      where.push(clause);
      values.push(value);
    };
    add('repository = ?', repository);
    // `tag IS NOT NULL` lets the partial index of tags serve.
    add('tag = ? AND tag IS NOT NULL', tag);
    add('digest = ? AND digest IS NOT NULL', digest);
    add('type = ?', type);
    // A literal, not a parameter: only so does the partial index of the small log serve.
    if (log !== undefined) where.push(log === 'sig' ? `log = 'sig'` : `log = 'dec'`);
    add('idx = ?', index);
    add('sequence < ?', before);
    const condition = where.length === 0 ? '' : `WHERE ${where.join(' AND ')}`;
    const sql = `SELECT sequence, body, leaf_hash FROM event ${condition} ORDER BY sequence DESC LIMIT ?`;
    return this.#queries.all(sql, [...values, limit]).map(eventOf);
  }

  /** See {@link Store.counts}. */
  counts(): Readonly<Record<LogName, number>> {
    const rows = this.#queries.all('SELECT name, size FROM log', []);
    const size = (name: LogName): number =>
      Number(rows.find((row) => row['name'] === name)?.['size']);
    return { sig: size('sig'), dec: size('dec') };
  }

  /** See {@link Store.holds}. */
  holds(filter: Parameters<Store['holds']>[0]): readonly Hold[] {
    const where = ['state IN (SELECT value FROM json_each(?))'];
    const values: SQLInputValue[] = [JSON.stringify(filter.states)];
    for (const field of ['repository', 'tag', 'digest'] as const) {
      const value = filter[field];
      if (value === undefined) continue;
      where.push(`${field} = ?`);
      values.push(value);
    }
    where.push('id > ?');
    values.push(filter.after ?? 0, ROWS);
    const sql = `SELECT ${HOLD_COLUMNS}, manifest FROM hold WHERE ${where.join(' AND ')} ORDER BY id LIMIT ?`;
    const holds: Hold[] = [];
    let bytes = 0;
    for (const row of this.#queries.each(sql, values)) {
      const hold = wholeHold(row);
      bytes += hold.manifest.byteLength;
      if (bytes > HOLD_BYTES && holds.length > 0) break;
      holds.push(hold);
    }
    return holds;
  }

  /** See {@link Store.waiting}. */
  waiting(): number {
    const [row] = this.#queries.all(`SELECT count(*) AS n FROM hold WHERE state = 'waiting'`, []);
    return Number(row?.['n']);
  }

  /** See {@link Store.hold}. */
  hold(id: number): Hold | null {
    const [row] = this.#queries.all(`SELECT ${HOLD_COLUMNS}, manifest FROM hold WHERE id = ?`, [
      id,
    ]);
    return row === undefined ? null : wholeHold(row);
  }

  /** See {@link Store.parents}. */
  parents(repository: Repository, child: Digest): readonly Digest[] {
    // Whoever may push can name a child in any number of indexes: those that were admitted come first,
    // the last admitted before all, and what was pushed later never comes before what was there.
    const sql = `SELECT parent FROM edge WHERE repository = ? AND child = ?
       ORDER BY admitted DESC, learned, parent LIMIT ?`;
    return this.#queries.all(sql, [repository, child, ROWS]).map((row) => row['parent'] as Digest);
  }

  /** See {@link Store.children}. */
  children(repository: Repository, parent: Digest): readonly Digest[] {
    const sql = 'SELECT child FROM edge WHERE repository = ? AND parent = ? ORDER BY child LIMIT ?';
    return this.#queries.all(sql, [repository, parent, ROWS]).map((row) => row['child'] as Digest);
  }

  /** See {@link Store.pushedAt}. */
  pushedAt(repository: Repository, digest: Digest): number | null {
    const sql = 'SELECT pushed_at FROM pushed WHERE repository = ? AND digest = ?';
    const [row] = this.#queries.all(sql, [repository, digest]);
    return row === undefined ? null : Number(row['pushed_at']);
  }

  /** See {@link Store.artifact}. */
  artifact(repository: Repository, digest: Digest): ArtifactRecord | null {
    const sql = 'SELECT kind, name, only FROM artifact WHERE repository = ? AND digest = ?';
    const [row] = this.#queries.all(sql, [repository, digest]);
    return row === undefined ? null : artifactOf(row as unknown as ArtifactRow);
  }

  /** See {@link Store.revocations}. */
  revocations(): readonly (Revocation & { readonly by: string; readonly at: number })[] {
    return this.#queries
      .all('SELECT * FROM revocation ORDER BY id', [])
      .map((row) => revocationOf(row as unknown as RevocationRow));
  }

  /** See {@link Store.trustRevision}. */
  trustRevision(): number {
    return Number(this.#queries.all('SELECT trust_revision FROM store', [])[0]?.['trust_revision']);
  }

  close(): void {
    this.#queries.close();
  }
}

/** Reads a stored event. Its bytes are checked against the leaf hash: an altered record is never shown as the record. */
function eventOf(row: Row): StoredEvent {
  const sequence = Number(row['sequence']);
  const body = blobOf(row['body']);
  const event = decodeEvent(sequence, body);
  if (event.ok && leafHashOf(body).equals(blobOf(row['leaf_hash']))) return event.value;
  throw new CountersignError(
    'STORE_UNAVAILABLE',
    `event ${sequence} of the record was altered in the database`,
  );
}

function wholeHold(row: Row): Hold {
  return { ...holdOf(row as unknown as HoldRow), manifest: blobOf(row['manifest']) };
}
