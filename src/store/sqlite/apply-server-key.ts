import { CountersignError } from '../../lib/errors.ts';
import type { ServerKey } from '../trust-data.ts';
import type { Statements } from './statements.ts';

/** Adds a key of the server's own, once. Throws STORE_CONFLICT where its id is another key's. */
export function addServerKey(statements: Statements, key: ServerKey): void {
  const known = statements.get(
    'SELECT repository, role, public_key FROM server_key WHERE id = ?',
    key.id,
  );
  if (known === undefined) {
    statements.run(
      'INSERT INTO server_key VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      key.id,
      key.repository,
      key.role,
      key.algorithm,
      key.publicKey,
      key.sealed,
      key.createdAt,
      key.usedAt,
    );
    return;
  }
  const same =
    known['repository'] === key.repository &&
    known['role'] === key.role &&
    known['public_key'] === key.publicKey;
  if (!same)
    throw new CountersignError(
      'STORE_CONFLICT',
      `server key ${key.id} is there already for another repository or role; nothing was changed`,
    );
}

/** Notes that keys have signed; the first time stays. */
export function noteUsed(statements: Statements, ids: readonly string[], time: number): void {
  for (const id of ids)
    statements.run('UPDATE server_key SET used_at = ? WHERE id = ? AND used_at IS NULL', time, id);
}

/** Replaces sealed halves. Throws STORE_CONFLICT for a key that is not there. */
export function resealKeys(
  statements: Statements,
  keys: readonly Pick<ServerKey, 'id' | 'repository' | 'sealed'>[],
): void {
  for (const { id, repository, sealed } of keys) {
    const changed = statements.run(
      'UPDATE server_key SET sealed = ? WHERE id = ? AND repository = ?',
      sealed,
      id,
      repository,
    );
    if (changed !== 1)
      throw new CountersignError(
        'STORE_CONFLICT',
        `server key ${id} is not there; nothing was changed`,
      );
  }
}
