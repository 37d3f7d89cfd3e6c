import { sha256Hex } from '../../lib/bytes.ts';
import { CountersignError } from '../../lib/errors.ts';
import { LIMITS } from '../../lib/limits.ts';
import type { Repository } from '../../oci/reference.ts';
import type { SignedEntry, TrustChange, TrustFile, TrustPin, TrustWrite } from '../trust-data.ts';
import { addServerKey, noteUsed, resealKeys } from './apply-server-key.ts';
import type { Statements } from './statements.ts';

/** Notary keeps versions and the feed's ids in 32-bit columns. */
const MAX_NUMBER = 2 ** 31 - 1;

/** The commit that a change belongs to. */
interface At {
  readonly time: number;
  /** True where all its events are stored already: it was committed before. */
  readonly repeated: boolean;
}

/** Applies one change to trust data. Throws STORE_CONFLICT, TOO_LARGE, REQUEST_INVALID or the engine's error. */
export function applyTrust(statements: Statements, write: TrustWrite, at: At): void {
  switch (write.kind) {
    case 'trust-files':
      addFiles(statements, write, at);
      break;
    case 'trust-entries':
      addEntries(statements, write.repository, write.entries, at.time);
      break;
    case 'trust-pin':
      setPin(statements, write.repository, write.pin);
      break;
    case 'trust-delete':
      deleteFiles(statements, write.repository, at.time);
      break;
    case 'trust-reset':
      for (const table of ['trust_pin', 'trust_seen', 'trust_entry'])
        statements.run(`DELETE FROM ${table} WHERE repository = ?`, write.repository);
      statements.run('UPDATE store SET trust_revision = trust_revision + 1');
      break;
    case 'server-key':
      addServerKey(statements, write.key);
      break;
    case 'server-key-used':
      noteUsed(statements, write.ids, at.time);
      break;
    case 'server-key-sealed':
      resealKeys(statements, write.keys);
      break;
    case 'trust-changes':
      for (const change of write.changes) takeChange(statements, change);
      break;
  }
}

function addFiles(
  statements: Statements,
  { repository, files, imported }: TrustWrite & { readonly kind: 'trust-files' },
  { time, repeated }: At,
): void {
  for (const file of files) {
    checkFile(file);
    const { role, version, bytes } = file;
    const sha256 = sha256Hex(bytes);
    const newest = statements.get(
      'SELECT version FROM trust_head WHERE repository = ? AND role = ?',
      repository,
      role,
    );
    if (newest !== undefined && version <= Number(newest['version'])) {
      const same = statements.get(
        'SELECT 1 FROM trust_file WHERE repository = ? AND role = ? AND version = ? AND sha256 = ?',
        repository,
        role,
        version,
        sha256,
      );
      if (repeated && same !== undefined) continue;
      throw new CountersignError(
        'STORE_CONFLICT',
        `expected a version of ${role} above ${String(newest['version'])}, found ${version}; nothing was changed`,
      );
    }
    const stored = statements.get(
      `INSERT INTO trust_file (repository, role, version, sha256, stored_at, bytes)
       VALUES (?, ?, ?, ?, ?, ?) RETURNING id`,
      repository,
      role,
      version,
      sha256,
      time,
      bytes,
    );
    statements.run(
      'INSERT OR REPLACE INTO trust_head VALUES (?, ?, ?, ?, ?)',
      repository,
      role,
      version,
      bytes.byteLength,
      Number(stored?.['id']),
    );
    if (role === 'timestamp' && imported !== true)
      addChange(statements, { repository, version, sha256, category: 'update', time });
  }
  checkRepository(statements, repository);
}

function checkFile({ role, version, bytes }: TrustFile): void {
  if (bytes.byteLength > LIMITS.trustMetadataBytes)
    throw new CountersignError(
      'TOO_LARGE',
      `expected at most ${LIMITS.trustMetadataBytes} bytes of ${role}, found ${bytes.byteLength}`,
    );
  if (!Number.isInteger(version) || version < 1 || version > MAX_NUMBER)
    throw new CountersignError(
      'REQUEST_INVALID',
      `expected a version of ${role} from 1 to ${MAX_NUMBER}, found ${version}`,
    );
}

/** What a repository's current state may take: it is read as a whole. */
function checkRepository(statements: Statements, repository: Repository): void {
  const sum = statements.get(
    'SELECT count(*) AS roles, total(size) AS bytes FROM trust_head WHERE repository = ?',
    repository,
  );
  if (Number(sum?.['roles']) > LIMITS.trustRoles)
    throw new CountersignError(
      'TOO_LARGE',
      `expected at most ${LIMITS.trustRoles} roles in a repository, found ${String(sum?.['roles'])}`,
    );
  if (Number(sum?.['bytes']) > LIMITS.trustRepositoryBytes)
    throw new CountersignError(
      'TOO_LARGE',
      `expected at most ${LIMITS.trustRepositoryBytes} bytes of current trust data in a repository, found ${String(sum?.['bytes'])}`,
    );
}

function addEntries(
  statements: Statements,
  repository: Repository,
  entries: readonly SignedEntry[],
  time: number,
): void {
  for (const { role, tag, digest, keyId } of entries)
    statements.run(
      'INSERT INTO trust_entry VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
      repository,
      digest,
      role,
      tag,
      keyId,
      time,
    );
}

function setPin(statements: Statements, repository: Repository, { root, seen }: TrustPin): void {
  // Most publishes repeat the pin: what is there already is not written again.
  statements.run(
    `INSERT INTO trust_pin VALUES (?, ?) ON CONFLICT DO UPDATE
     SET root = excluded.root WHERE root IS NOT excluded.root`,
    repository,
    root,
  );
  for (const [role, version] of seen)
    statements.run(
      `INSERT INTO trust_seen VALUES (?, ?, ?) ON CONFLICT DO UPDATE
       SET version = excluded.version WHERE excluded.version > version`,
      repository,
      role,
      version,
    );
}

function deleteFiles(statements: Statements, repository: Repository, time: number): void {
  statements.run('DELETE FROM trust_head WHERE repository = ?', repository);
  const deleted = statements.run('DELETE FROM trust_file WHERE repository = ?', repository);
  if (deleted > 0)
    addChange(statements, { repository, version: 0, sha256: '', category: 'deletion', time });
}

function addChange(statements: Statements, change: Omit<TrustChange, 'id'>): void {
  const last = statements.get(
    `SELECT max(feed_floor, coalesce((SELECT max(id) FROM trust_change), 0)) AS id FROM store`,
  );
  insertChange(statements, { ...change, id: Number(last?.['id']) + 1 });
}

/** A line of another server's feed under its own id. */
function takeChange(statements: Statements, change: TrustChange): void {
  const { id } = change;
  if (!Number.isInteger(id) || id < 1 || id > MAX_NUMBER)
    throw new CountersignError(
      'REQUEST_INVALID',
      `expected an id of the changefeed from 1 to ${MAX_NUMBER}, found ${id}`,
    );
  const known = statements.get('SELECT * FROM trust_change WHERE id = ?', id);
  if (known === undefined) {
    insertChange(statements, change);
    return;
  }
  const same =
    known['repository'] === change.repository &&
    known['version'] === change.version &&
    known['sha256'] === change.sha256 &&
    known['category'] === change.category;
  if (!same)
    throw new CountersignError(
      'STORE_CONFLICT',
      `change ${id} of the feed is there already and says something else; nothing was changed`,
    );
}

function insertChange(statements: Statements, change: TrustChange): void {
  const { id, repository, version, sha256, category, time } = change;
  statements.run(
    'INSERT INTO trust_change VALUES (?, ?, ?, ?, ?, ?)',
    id,
    repository,
    version,
    sha256,
    category,
    time,
  );
}
