import { existsSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { CountersignError } from '../../lib/errors.ts';
import type { Json } from '../../lib/json.ts';
import { unwrap } from '../../lib/result.ts';
import type { Clock } from '../../lib/time.ts';
import { decodeEvent, encodeEvent } from '../event-body.ts';
import type { HighWater } from '../high-water.ts';
import { prepareHighWater, readHighWater } from '../high-water.ts';
import type { RecoverOptions, Recovery } from '../recovery.ts';
import { Applier } from './apply.ts';
import { databaseIn, openConnection, prepareFolder } from './connection.ts';
import { storeFailure } from './failure.ts';
import { takeLock } from './lock.ts';
import { markOf, rollbackOf } from './mark.ts';
import { migrate } from './schema.ts';
import { Statements } from './statements.ts';

function summaryOf(mark: HighWater | 'unreadable' | null): Json {
  if (mark === null || mark === 'unreadable') return mark === null ? 'missing' : 'unreadable';
  const { store, trustRevision, logs, feed } = mark;
  return { store, trustRevision, sig: logs.sig.size, dec: logs.dec.size, feed: feed.last };
}

/**
 * Lets a database that is older than its high-water file serve again, and records that it was: an
 * event `recovered` in `sig` with what the file had seen and what the database has. The trust revision
 * rises above both, so that no verdict of the lost time is taken for one of now; and the changefeed goes
 * on behind the last id that anybody may have seen. Throws as
 * {@link openSqliteStore}, and STORE_UNAVAILABLE where the database is damaged.
 */
export function recoverSqliteStore(options: RecoverOptions & { readonly clock: Clock }): Recovery {
  const { data } = options;
  if (!existsSync(databaseIn(data)))
    throw new CountersignError(
      'STORE_UNAVAILABLE',
      `expected a database in ${data}, found none; restore a copy first`,
    );
  try {
    prepareFolder(data);
    const lock = takeLock(data);
    try {
      return recoverLocked(options);
    } finally {
      lock.release();
    }
  } catch (error) {
    throw storeFailure(error);
  }
}

function recoverLocked(options: RecoverOptions & { readonly clock: Clock }): Recovery {
  const { data, reason, actor, clock } = options;
  const db = openConnection(data, 'writer');
  try {
    migrate(db);
    const statements = new Statements(db);
    const why = rollbackOf(statements, data);
    if (why === null) return { recovered: false };
    const damage = Object.values(db.prepare('PRAGMA quick_check(1)').get() ?? {})[0];
    if (damage !== 'ok')
      throw new CountersignError(
        'STORE_UNAVAILABLE',
        'the database is damaged; restore another copy',
        { detail: String(damage) },
      );
    const seen = readHighWater(data);
    const event = unwrap(
      encodeEvent({
        log: 'sig',
        type: 'recovered',
        repository: null,
        tag: null,
        digest: null,
        actor,
        data: {
          reason: reason.slice(0, 500).toWellFormed(),
          why,
          seen: summaryOf(seen),
          found: summaryOf(markOf(statements)),
        },
        idempotencyKey: randomBytes(32),
      }),
    );
    db.exec('BEGIN IMMEDIATE');
    const { events } = new Applier(statements).apply([{ kind: 'event', event }], clock().getTime());
    const mark = typeof seen === 'object' ? seen : null;
    db.prepare(
      `UPDATE store SET trust_revision = max(trust_revision, ?) + 1, feed_floor = max(feed_floor, ?)`,
    ).run(mark?.trustRevision ?? 0, mark?.feed.last ?? 0);
    const place = prepareHighWater(data, markOf(statements));
    db.exec('COMMIT');
    place();
    const [stored] = events;
    if (stored === undefined) throw new Error('the event of the recovery was not stored');
    return { recovered: true, why, event: unwrap(decodeEvent(stored.sequence, stored.body)) };
  } finally {
    // Closing ends a transaction that did not commit.
    db.close();
  }
}
