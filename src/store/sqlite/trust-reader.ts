import type { Digest } from '../../oci/digest.ts';
import type { Repository } from '../../oci/reference.ts';
import { sha256Hex } from '../../lib/bytes.ts';
import { CountersignError } from '../../lib/errors.ts';
import type {
  ServerKey,
  StoredEntry,
  StoredTrustFile,
  TrustChange,
  TrustPin,
  TrustReads,
} from '../trust-data.ts';
import type { Queries, Row } from './queries.ts';
import { ROWS, checkLimit } from './queries.ts';
import { blobOf } from './rows.ts';

const FILE_COLUMNS = 'f.role, f.version, f.sha256, f.stored_at, f.bytes';

/** Entries of one key in one role that are told of, at most. */
const OF_KEY = 64;

/** The questions to trust data; see {@link TrustReads}. Each is one statement: one consistent state. */
export class TrustReader {
  readonly #queries: Queries;

  constructor(queries: Queries) {
    this.#queries = queries;
  }

  /** See {@link TrustReads.trustFiles}. */
  trustFiles(repository: Repository): ReadonlyMap<string, StoredTrustFile> {
    const sql = `SELECT ${FILE_COLUMNS} FROM trust_head h JOIN trust_file f ON f.id = h.file
       WHERE h.repository = ?`;
    const files = this.#queries.all(sql, [repository]).map(fileOf);
    return new Map(files.map((file) => [file.role, file]));
  }

  /** See {@link TrustReads.trustFile}. */
  trustFile(
    repository: Repository,
    role: string,
    which: Parameters<TrustReads['trustFile']>[2],
  ): StoredTrustFile | null {
    const [column, value] =
      'version' in which
        ? (['version', which.version] as const)
        : (['sha256', which.sha256] as const);
    // Nothing keeps two versions from having the same bytes but their own version number.
    const sql = `SELECT ${FILE_COLUMNS} FROM trust_file f
       WHERE f.repository = ? AND f.role = ? AND f.${column} = ? LIMIT 1`;
    const [row] = this.#queries.all(sql, [repository, role, value]);
    return row === undefined ? null : fileOf(row);
  }

  /** See {@link TrustReads.trustRepositories}. */
  trustRepositories(after: Repository | null): readonly Repository[] {
    const sql = `SELECT repository FROM trust_head WHERE repository > ?1
       UNION SELECT repository FROM trust_pin WHERE repository > ?1 ORDER BY repository LIMIT ?2`;
    return this.#queries
      .all(sql, [after ?? '', ROWS])
      .map((row) => row['repository'] as Repository);
  }

  /** See {@link TrustReads.trustPin}. */
  trustPin(repository: Repository): TrustPin | null {
    const sql = `SELECT p.root, s.role, s.version FROM trust_pin p
       LEFT JOIN trust_seen s ON s.repository = p.repository WHERE p.repository = ?`;
    const rows = this.#queries.all(sql, [repository]);
    const [first] = rows;
    if (first === undefined) return null;
    const seen = rows.filter((row) => row['role'] !== null);
    return {
      root: blobOf(first['root']),
      seen: new Map(seen.map((row) => [String(row['role']), Number(row['version'])])),
    };
  }

  /** See {@link TrustReads.trustEntries}. */
  trustEntries(
    repository: Repository,
    digest: Digest,
    of?: Parameters<TrustReads['trustEntries']>[2],
  ): readonly StoredEntry[] {
    const roles = of === undefined ? '' : 'AND role IN (SELECT value FROM json_each(?))';
    const tag = of?.tag === undefined ? '' : 'AND tag = ?';
    const sql = `SELECT * FROM (
       SELECT * FROM (
         SELECT *, row_number() OVER (
           PARTITION BY role, key_id ORDER BY published_at DESC, tag
         ) AS place
         FROM trust_entry WHERE repository = ? AND digest = ? ${roles} ${tag}
       ) WHERE place <= ${OF_KEY} ORDER BY place, published_at DESC, role, tag, key_id LIMIT ?
     ) ORDER BY published_at DESC, role, tag, key_id`;
    const values = [
      ...(of === undefined ? [] : [JSON.stringify(of.roles)]),
      ...(of?.tag === undefined ? [] : [of.tag]),
    ];
    return this.#queries.all(sql, [repository, digest, ...values, ROWS]).map((row) => ({
      role: String(row['role']),
      tag: String(row['tag']),
      digest: row['digest'] as Digest,
      keyId: String(row['key_id']),
      publishedAt: Number(row['published_at']) || null,
    }));
  }

  /** See {@link TrustReads.trustStatement}. */
  trustStatement(
    sha256: string,
  ): { readonly repository: Repository; readonly role: string } | null {
    const sql = 'SELECT repository, role FROM trust_statement WHERE sha256 = ?';
    const [row] = this.#queries.all(sql, [sha256]);
    if (row === undefined) return null;
    return { repository: row['repository'] as Repository, role: String(row['role']) };
  }

  /** See {@link TrustReads.serverKeys}. */
  serverKeys(repository: Repository | null, after = ''): readonly ServerKey[] {
    const rows =
      repository === null
        ? this.#queries.all('SELECT * FROM server_key WHERE id > ? ORDER BY id LIMIT ?', [
            after,
            ROWS,
          ])
        : this.#queries.all(
            'SELECT * FROM server_key WHERE repository = ? ORDER BY created_at, id LIMIT ?',
            [repository, ROWS],
          );
    return rows.map(keyOf);
  }

  /** See {@link TrustReads.trustChanges}. */
  trustChanges({
    repository,
    limit,
    after,
    before,
  }: Parameters<TrustReads['trustChanges']>[0]): readonly TrustChange[] {
    checkLimit(limit);
    const where = repository === null ? '' : 'repository = ? AND';
    const values = repository === null ? [] : [repository];
    if (before === undefined) {
      const sql = `SELECT * FROM trust_change WHERE ${where} id > ? ORDER BY id LIMIT ?`;
      return this.#queries.all(sql, [...values, after ?? 0, limit]).map(changeOf);
    }
    const sql = `SELECT * FROM trust_change WHERE ${where} id < ? ORDER BY id DESC LIMIT ?`;
    const end = before ?? Number.MAX_SAFE_INTEGER;
    return this.#queries
      .all(sql, [...values, end, limit])
      .map(changeOf)
      .toReversed();
  }
}

/** Reads a file. Its bytes are checked against its hash: an altered one is never served. */
function fileOf(row: Row): StoredTrustFile {
  const file = {
    role: String(row['role']),
    version: Number(row['version']),
    bytes: blobOf(row['bytes']),
    sha256: String(row['sha256']),
    storedAt: Number(row['stored_at']),
  };
  if (sha256Hex(file.bytes) === file.sha256) return file;
  throw new CountersignError(
    'STORE_UNAVAILABLE',
    `version ${file.version} of ${file.role} was altered in the database`,
  );
}

/** The schema bounds role and algorithm. */
function keyOf(row: Row): ServerKey {
  return {
    id: String(row['id']),
    repository: row['repository'] as Repository,
    role: row['role'] as ServerKey['role'],
    algorithm: row['algorithm'] as ServerKey['algorithm'],
    publicKey: String(row['public_key']),
    sealed: String(row['sealed']),
    createdAt: Number(row['created_at']),
    usedAt: row['used_at'] === null ? null : Number(row['used_at']),
  };
}

function changeOf(row: Row): TrustChange {
  return {
    id: Number(row['id']),
    repository: row['repository'] as Repository,
    version: Number(row['version']),
    sha256: String(row['sha256']),
    category: row['category'] as TrustChange['category'],
    time: Number(row['time']),
  };
}
