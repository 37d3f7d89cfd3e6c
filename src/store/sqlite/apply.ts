import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { CountersignError } from '../../lib/errors.ts';
import { canonicalJson } from '../../lib/json.ts';
import type { EncodedEvent } from '../event-body.ts';
import { bodyOf, leafHashOf } from '../event-body.ts';
import type { Hold, HoldState, Revocation } from '../store.ts';
import type { Done, EncodedWrite } from './protocol.ts';
import type { HoldRow } from './rows.ts';
import { HOLD_COLUMNS, blobOf, holdOf } from './rows.ts';

/** Pushes that may wait for a signature in one repository, and their manifests' bytes together. */
const WAITING = 256;
const WAITING_BYTES = 32 * 1024 * 1024;
const CHILDREN = 1000;

const MOVES: Readonly<Record<HoldState, readonly HoldState[]>> = {
  waiting: ['promoting', 'expired', 'superseded'],
  promoting: ['promoted', 'waiting', 'expired', 'superseded'],
  promoted: [],
  expired: [],
  superseded: [],
};

/** Applies one commit's writes inside the caller's transaction; what it throws undoes the commit. */
export class Applier {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** Applies the writes in order. Throws STORE_CONFLICT, STORAGE_FULL, REQUEST_INVALID or the engine's error. */
  apply(writes: readonly EncodedWrite[], now: number): Done {
    const events: { sequence: number; body: Uint8Array }[] = [];
    const holds: Omit<Hold, 'manifest'>[] = [];
    const time = this.#advance(now);
    // Events first: whether all of them are stored already tells a repeated commit from a new one.
    let fresh = 0;
    for (const write of writes) {
      if (write.kind !== 'event') continue;
      const stored = this.#event(write.event, time);
      if (stored.fresh) fresh++;
      events.push({ sequence: stored.sequence, body: stored.body });
    }
    const repeated = events.length > 0 && fresh === 0;
    for (const write of writes) {
      switch (write.kind) {
        case 'event':
          break;
        case 'hold-add':
          holds.push(this.#addHold(write.hold, write.passing === true));
          break;
        case 'hold-move':
          this.#moveHold(write.id, write.from, write.to, repeated);
          break;
        case 'edges':
          if (write.children.length > CHILDREN)
            throw new CountersignError(
              'REQUEST_INVALID',
              `expected at most ${CHILDREN} children of an index, found ${write.children.length}`,
            );
          this.#addEdges(write.repository, write.parent, write.children);
          break;
        case 'admitted':
          this.#run(
            'UPDATE edge SET admitted = ? WHERE repository = ? AND parent = ?',
            this.#nextEdge(),
            write.repository,
            write.parent,
          );
          break;
        case 'pushed':
          this.#run(
            `INSERT INTO pushed VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE
             SET pushed_by = excluded.pushed_by, pushed_at = excluded.pushed_at
             WHERE excluded.pushed_at >= pushed_at`,
            write.repository,
            write.digest,
            write.by,
            write.at,
          );
          break;
        case 'artifact':
          this.#run(
            `INSERT INTO artifact VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
             SET kind = excluded.kind, name = excluded.name, only = min(only, excluded.only)`,
            write.repository,
            write.digest,
            write.artifact.kind,
            write.artifact.name,
            write.artifact.only ? 1 : 0,
          );
          break;
        case 'artifact-gone':
          this.#run(
            'DELETE FROM artifact WHERE repository = ? AND digest = ?',
            write.repository,
            write.digest,
          );
          break;
        case 'revoke':
          this.#revoke(write.revocation, write.by, time);
          break;
        case 'unrevoke':
          this.#raise(
            this.#run('DELETE FROM revocation WHERE subject = ?', subjectOf(write.revocation)),
          );
          break;
      }
    }
    return { ok: true, events, holds };
  }

  #prepared(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const made = this.#db.prepare(sql);
    this.#statements.set(sql, made);
    return made;
  }

  #run(sql: string, ...values: readonly SQLInputValue[]): number {
    return Number(this.#prepared(sql).run(...values).changes);
  }

  #get(sql: string, ...values: readonly SQLInputValue[]): Record<string, unknown> | undefined {
    return this.#prepared(sql).get(...values);
  }

  /** The time of this commit: the clock's, but never before that of an earlier event. */
  #advance(now: number): number {
    const last = Number(this.#get('SELECT last_time FROM store')?.['last_time']);
    if (now <= last) return last;
    this.#run('UPDATE store SET last_time = ?', now);
    return now;
  }

  #event(
    event: EncodedEvent,
    time: number,
  ): { readonly fresh: boolean; readonly sequence: number; readonly body: Uint8Array } {
    const known = this.#get(
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
    const at = this.#get(
      'SELECT size, (SELECT sum(size) FROM log) AS total FROM log WHERE name = ?',
      event.log,
    );
    const index = Number(at?.['size']);
    const sequence = Number(at?.['total']) + 1;
    const body = bodyOf(event, index, time);
    this.#run(
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

  #addHold(hold: Omit<Hold, 'id' | 'state'>, passing: boolean): Omit<Hold, 'manifest'> {
    const { repository, tag, digest, mediaType, manifest, pushedBy, pushedAt, expiresAt } = hold;
    const same = this.#get(
      `SELECT ${HOLD_COLUMNS} FROM hold WHERE repository = ? AND tag = ? AND digest = ?
       AND pushed_at = ? AND pushed_by = ?`,
      repository,
      tag,
      digest,
      pushedAt,
      pushedBy,
    );
    if (same !== undefined) return holdOf(same as unknown as HoldRow);
    const renewed = this.#get(
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
    const waiting = this.#get(
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
    const added = this.#get(
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

  #moveHold(id: number, from: HoldState, to: HoldState, repeated: boolean): void {
    const state = this.#get('SELECT state FROM hold WHERE id = ?', id)?.['state'];
    if (repeated && state === to) return;
    if (state !== from || !MOVES[from].includes(to)) {
      throw new CountersignError(
        'STORE_CONFLICT',
        `expected hold ${id} to move from ${from} to ${to}, found it ${typeof state === 'string' ? state : 'missing'}; nothing was changed`,
      );
    }
    const twin =
      to === 'waiting' &&
      this.#get(
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
    this.#run(`UPDATE hold SET state = ?${final ? ", manifest = x''" : ''} WHERE id = ?`, to, id);
  }

  #addEdges(repository: string, parent: string, children: readonly string[]): void {
    const sql =
      'INSERT OR IGNORE INTO edge (repository, parent, child, learned) VALUES (?, ?, ?, ?)';
    const learned = this.#nextEdge();
    for (const child of children) this.#run(sql, repository, parent, child, learned);
  }

  #nextEdge(): number {
    const row = this.#get('UPDATE store SET edge_count = edge_count + 1 RETURNING edge_count');
    return Number(row?.['edge_count']);
  }

  #revoke(revocation: Revocation, by: string, time: number): void {
    const { kind, reason } = revocation;
    const repository = kind === 'key' ? null : revocation.repository;
    const name =
      kind === 'key' ? revocation.keyId : kind === 'tag' ? revocation.tag : revocation.digest;
    this.#raise(
      this.#run(
        `INSERT INTO revocation (subject, kind, repository, name, reason, revoked_by, revoked_at)
         VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
        subjectOf(revocation),
        kind,
        repository,
        name,
        reason,
        by,
        time,
      ),
    );
  }

  #raise(changes: number): void {
    if (changes > 0) this.#run('UPDATE store SET trust_revision = trust_revision + 1');
  }
}

/** What a revocation withdraws, as one text; JSON, so that no delimiter in a name makes two of them equal. */
function subjectOf(revocation: Revocation): string {
  switch (revocation.kind) {
    case 'digest':
      return canonicalJson(['digest', revocation.repository, revocation.digest]);
    case 'tag':
      return canonicalJson(['tag', revocation.repository, revocation.tag]);
    case 'key':
      return canonicalJson(['key', revocation.keyId]);
  }
}
