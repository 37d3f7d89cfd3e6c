import { CountersignError } from '../../lib/errors.ts';
import type { Hold, HoldState } from '../store.ts';
import type { HoldRow } from './rows.ts';
import { HOLD_COLUMNS, holdOf } from './rows.ts';
import type { Statements } from './statements.ts';

/** Pushes that may wait for a signature in one repository, and their manifests' bytes together. */
const WAITING = 256;
const WAITING_BYTES = 32 * 1024 * 1024;

const MOVES: Readonly<Record<HoldState, readonly HoldState[]>> = {
  waiting: ['promoting', 'expired', 'superseded'],
  promoting: ['promoted', 'waiting', 'expired', 'superseded'],
  promoted: [],
  expired: [],
  superseded: [],
};

/**
 * Adds a hold, or renews the one that waits for the same push. `passing` says that it is given its tag
 * at once, so that no bound on what waits is met. Throws STORAGE_FULL.
 */
export function addHold(
  statements: Statements,
  hold: Omit<Hold, 'id' | 'state'>,
  passing: boolean,
): Omit<Hold, 'manifest'> {
  const { repository, tag, digest, mediaType, manifest, pushedBy, pushedAt, expiresAt } = hold;
  const same = statements.get(
    `SELECT ${HOLD_COLUMNS} FROM hold WHERE repository = ? AND tag = ? AND digest = ?
     AND pushed_at = ? AND pushed_by = ?`,
    repository,
    tag,
    digest,
    pushedAt,
    pushedBy,
  );
  if (same !== undefined) return holdOf(same as unknown as HoldRow);
  const renewed = statements.get(
    // A push after another push of the tag comes after it, also where the same was pushed before.
    `UPDATE hold SET pushed_by = ?, pushed_at = ?, expires_at = ?, media_type = ?,
       id = iif(EXISTS (SELECT 1 FROM hold AS later WHERE later.repository = hold.repository
                        AND later.tag = hold.tag AND later.id > hold.id),
                (SELECT max(id) + 1 FROM hold), id)
     WHERE repository = ? AND tag = ? AND digest = ? AND state = 'waiting' RETURNING ${HOLD_COLUMNS}`,
    pushedBy,
    pushedAt,
    expiresAt,
    mediaType,
    repository,
    tag,
    digest,
  );
  if (renewed !== undefined) return holdOf(renewed as unknown as HoldRow);
  const waiting = statements.get(
    `SELECT count(*) AS n, ifnull(sum(length(manifest)), 0) AS bytes FROM hold
     WHERE repository = ? AND state IN ('waiting', 'promoting')`,
    repository,
  );
  const bytes = Number(waiting?.['bytes']) + manifest.byteLength;
  if (!passing && (Number(waiting?.['n']) >= WAITING || bytes > WAITING_BYTES)) {
    throw new CountersignError(
      'STORAGE_FULL',
      `as many pushes wait for a signature in ${repository} as may (${WAITING}, or ${WAITING_BYTES} bytes of manifests); sign them, or let them expire`,
    );
  }
  const added = statements.get(
    `INSERT INTO hold (repository, tag, digest, media_type, manifest, pushed_by, pushed_at, expires_at, state)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'waiting') RETURNING ${HOLD_COLUMNS}`,
    repository,
    tag,
    digest,
    mediaType,
    manifest,
    pushedBy,
    pushedAt,
    expiresAt,
  );
  return holdOf(added as unknown as HoldRow);
}

/** Moves a hold from one state to another; a `repeated` commit has done so already. Throws STORE_CONFLICT. */
export function moveHold(
  statements: Statements,
  id: number,
  from: HoldState,
  to: HoldState,
  repeated: boolean,
): void {
  const state = statements.get('SELECT state FROM hold WHERE id = ?', id)?.['state'];
  if (repeated && state === to) return;
  if (state !== from || !MOVES[from].includes(to)) {
    throw new CountersignError(
      'STORE_CONFLICT',
      `expected hold ${id} to move from ${from} to ${to}, found it ${typeof state === 'string' ? state : 'missing'}; nothing was changed`,
    );
  }
  const twin =
    to === 'waiting' &&
    statements.get(
      `SELECT 1 AS found FROM hold AS a JOIN hold AS b USING (repository, tag, digest)
       WHERE a.id = ? AND b.state = 'waiting'`,
      id,
    ) !== undefined;
  if (twin)
    throw new CountersignError(
      'STORE_CONFLICT',
      `hold ${id} was pushed again meanwhile; move it to superseded`,
    );
  const final = MOVES[to].length === 0;
  statements.run(
    `UPDATE hold SET state = ?${final ? ", manifest = x''" : ''} WHERE id = ?`,
    to,
    id,
  );
}
