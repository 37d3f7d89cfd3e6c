import { CountersignError } from '../../lib/errors.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Repository } from '../../oci/reference.ts';
import type { ArtifactRecord, Hold, HoldState, Revocation } from '../store.ts';

/** A hold's columns but for its manifest. */
export const HOLD_COLUMNS =
  'id, repository, tag, digest, media_type, pushed_by, pushed_at, expires_at, state';

/** A row of {@link HOLD_COLUMNS}; the schema is STRICT, so the types are those of the columns. */
export interface HoldRow {
  readonly id: number;
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
  readonly media_type: string;
  readonly pushed_by: string;
  readonly pushed_at: number;
  readonly expires_at: number;
  readonly state: string;
}

/** A row as a hold, without its manifest. */
export function holdOf(row: HoldRow): Omit<Hold, 'manifest'> {
  return {
    id: row.id,
    repository: row.repository as Repository,
    tag: row.tag,
    digest: row.digest as Digest,
    mediaType: row.media_type,
    pushedBy: row.pushed_by,
    pushedAt: row.pushed_at,
    expiresAt: row.expires_at,
    state: row.state as HoldState,
  };
}

/** A row of the table of artifacts; a CHECK bounds the kinds. */
export interface ArtifactRow {
  readonly kind: ArtifactRecord['kind'];
  readonly name: string;
  readonly only: number;
}

/** A row as what a manifest was checked to be. */
export function artifactOf({ kind, name, only }: ArtifactRow): ArtifactRecord {
  return { kind, name, only: only === 1 };
}

/** A row of the table of revocations. */
export interface RevocationRow {
  readonly kind: string;
  readonly repository: string | null;
  readonly name: string;
  readonly reason: string;
  readonly revoked_by: string;
  readonly revoked_at: number;
}

/** A row as a revocation in force. */
export function revocationOf(
  row: RevocationRow,
): Revocation & { readonly by: string; readonly at: number } {
  const common = { reason: row.reason, by: row.revoked_by, at: row.revoked_at };
  const repository = row.repository as Repository;
  if (row.kind === 'digest')
    return { kind: 'digest', repository, digest: row.name as Digest, ...common };
  if (row.kind === 'tag') return { kind: 'tag', repository, tag: row.name, ...common };
  if (row.kind === 'key') return { kind: 'key', keyId: row.name, ...common };
  // A revocation that cannot be read must not be overlooked.
  throw new CountersignError(
    'STORE_UNAVAILABLE',
    'a revocation in the database is of no known kind',
  );
}

/** A BLOB column's value. */
export function blobOf(value: unknown): Buffer {
  if (value instanceof Uint8Array)
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  throw new CountersignError(
    'STORE_UNAVAILABLE',
    'a column of the database is not of its declared type',
  );
}
