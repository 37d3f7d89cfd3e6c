import { sha256Hex } from '../../lib/bytes.ts';
import { canonicalJson } from '../../lib/canonical-json.ts';
import { CountersignError } from '../../lib/errors.ts';
import type { FeedMark, HighWater, LogMark } from '../high-water.ts';
import { behind, readHighWater } from '../high-water.ts';
import type { LogName } from '../store.ts';
import { blobOf } from './rows.ts';
import type { Statements } from './statements.ts';

/** Where the database stands. Throws the engine's error. */
export function markOf(statements: Statements): HighWater {
  const store = statements.get('SELECT id, trust_revision FROM store');
  const log = (name: LogName): LogMark => {
    const found = statements.get('SELECT size, head FROM log WHERE name = ?', name);
    if (found === undefined)
      throw new CountersignError('STORE_UNAVAILABLE', `log ${name} is missing`);
    return { size: Number(found['size']), head: blobOf(found['head']).toString('hex') };
  };
  return {
    store: String(store?.['id']),
    trustRevision: Number(store?.['trust_revision']),
    logs: { sig: log('sig'), dec: log('dec') },
    feed: feedMark(statements.get('SELECT * FROM trust_change ORDER BY id DESC LIMIT 1')),
  };
}

function feedMark(row: Record<string, unknown> | undefined): FeedMark {
  return row === undefined ? { last: 0, head: '' } : { last: Number(row['id']), head: hashOf(row) };
}

/** What a line of the feed says, in one hash. */
function hashOf(row: Record<string, unknown>): string {
  const { id, repository, version, sha256, category, time } = row;
  return sha256Hex(
    canonicalJson([
      Number(id),
      String(repository),
      Number(version),
      String(sha256),
      String(category),
      Number(time),
    ]),
  );
}

/** How the database falls behind its high-water file, or `null`. Throws the engine's error. */
export function rollbackOf(statements: Statements, data: string): string | null {
  return behind(markOf(statements), readHighWater(data), (log, index) => {
    if (log === 'feed') {
      const row = statements.get('SELECT * FROM trust_change WHERE id = ?', index);
      return row === undefined ? '' : hashOf(row);
    }
    const row = statements.get('SELECT leaf_hash FROM event WHERE log = ? AND idx = ?', log, index);
    return row === undefined ? '' : blobOf(row['leaf_hash']).toString('hex');
  });
}
