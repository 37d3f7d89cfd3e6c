import { CountersignError } from '../../lib/errors.ts';
import type { TrustChange } from '../trust-data.ts';
import type { Statements } from './statements.ts';

/** Notary keeps ids in a 32-bit column. */
const MAX_ID = 2 ** 31 - 1;

/** Adds the next line to the feed. */
export function addChange(statements: Statements, change: Omit<TrustChange, 'id'>): void {
  const last = statements.get(
    `SELECT max(feed_floor, coalesce((SELECT max(id) FROM trust_change), 0)) AS id FROM store`,
  );
  insertChange(statements, { ...change, id: Number(last?.['id']) + 1 });
}

/** Takes a line of another server's feed under its own id, once. Throws STORE_CONFLICT, REQUEST_INVALID. */
export function takeChange(statements: Statements, change: TrustChange): void {
  const { id } = change;
  if (!Number.isInteger(id) || id < 1 || id > MAX_ID)
    throw new CountersignError(
      'REQUEST_INVALID',
      `expected an id of the changefeed from 1 to ${MAX_ID}, found ${id}`,
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
