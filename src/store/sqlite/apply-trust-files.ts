import { sha256Hex } from '../../lib/bytes.ts';
import { CountersignError } from '../../lib/errors.ts';
import { LIMITS } from '../../lib/limits.ts';
import type { Repository } from '../../oci/reference.ts';
import type { TrustFile, TrustWrite } from '../trust-data.ts';
import { addChange } from './apply-feed.ts';
import type { Statements } from './statements.ts';

/** Notary keeps versions in a 32-bit column. */
const MAX_VERSION = 2 ** 31 - 1;

/** The commit that a change belongs to. */
export interface Commit {
  readonly time: number;
  /** True where all its events are stored already: it was committed before. */
  readonly repeated: boolean;
}

/** Stores files and their lines of the feed. Throws STORE_CONFLICT, TOO_LARGE, REQUEST_INVALID. */
export function addFiles(
  statements: Statements,
  { repository, files, imported }: TrustWrite & { readonly kind: 'trust-files' },
  { time, repeated }: Commit,
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
  if (!Number.isInteger(version) || version < 1 || version > MAX_VERSION)
    throw new CountersignError(
      'REQUEST_INVALID',
      `expected a version of ${role} from 1 to ${MAX_VERSION}, found ${version}`,
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

/** Deletes the files of a repository, with a line in the feed where there were any. */
export function deleteFiles(statements: Statements, repository: Repository, time: number): void {
  statements.run('DELETE FROM trust_head WHERE repository = ?', repository);
  const deleted = statements.run('DELETE FROM trust_file WHERE repository = ?', repository);
  if (deleted > 0)
    addChange(statements, { repository, version: 0, sha256: '', category: 'deletion', time });
}
