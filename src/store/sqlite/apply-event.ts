import { CountersignError } from '../../lib/errors.ts';
import type { EncodedEvent } from '../event-body.ts';
import { bodyOf, leafHashOf } from '../event-body.ts';
import { blobOf } from './rows.ts';
import type { Statements } from './statements.ts';

/** The time of a commit: the clock's, but never before that of an earlier event. */
export function advance(statements: Statements, now: number): number {
  const last = Number(statements.get('SELECT last_time FROM store')?.['last_time']);
  if (now <= last) return last;
  statements.run('UPDATE store SET last_time = ?', now);
  return now;
}

/** An event as it is stored; `fresh` is false where it was there already. */
export interface StoredEvent {
  readonly fresh: boolean;
  readonly sequence: number;
  readonly body: Uint8Array;
}

/**
 * Appends an event to its log, once: the same idempotency key again gives what was stored then. Throws
 * STORE_CONFLICT where its content is another.
 */
export function appendEvent(
  statements: Statements,
  event: EncodedEvent,
  time: number,
): StoredEvent {
  const known = statements.get(
    'SELECT sequence, body, content_hash FROM event WHERE idempotency_key = ?',
    event.idempotencyKey,
  );
  if (known !== undefined) {
    if (!blobOf(known['content_hash']).equals(event.contentHash)) {
      throw new CountersignError(
        'STORE_CONFLICT',
        `an event of type ${event.type} was repeated with another content; nothing was changed`,
      );
    }
    return { fresh: false, sequence: Number(known['sequence']), body: blobOf(known['body']) };
  }
  const at = statements.get(
    'SELECT size, (SELECT sum(size) FROM log) AS total FROM log WHERE name = ?',
    event.log,
  );
  const index = Number(at?.['size']);
  const sequence = Number(at?.['total']) + 1;
  const body = bodyOf(event, index, time);
  statements.run(
    'INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    sequence,
    event.log,
    index,
    event.type,
    event.repository,
    event.tag,
    event.digest,
    body,
    leafHashOf(body),
    event.idempotencyKey,
    event.contentHash,
  );
  return { fresh: true, sequence, body };
}
