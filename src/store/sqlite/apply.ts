import { canonicalJson } from '../../lib/canonical-json.ts';
import { CountersignError } from '../../lib/errors.ts';
import type { Hold, Revocation } from '../store.ts';
import { advance, appendEvent } from './apply-event.ts';
import { addHold, moveHold } from './apply-hold.ts';
import { applyTrust } from './apply-trust.ts';
import type { Done, EncodedWrite } from './protocol.ts';
import type { Statements } from './statements.ts';

/** Children of one index. */
const CHILDREN = 1000;

/** Applies one commit's writes inside the caller's transaction; what it throws undoes the commit. */
export class Applier {
  readonly #statements: Statements;

  constructor(statements: Statements) {
    this.#statements = statements;
  }

  /** Applies the writes in order. Throws STORE_CONFLICT, STORAGE_FULL, REQUEST_INVALID or the engine's error. */
  apply(writes: readonly EncodedWrite[], now: number): Done {
    const events: { sequence: number; body: Uint8Array }[] = [];
    const holds: Omit<Hold, 'manifest'>[] = [];
    const time = advance(this.#statements, now);
    // Events first: whether all of them are stored already tells a repeated commit from a new one.
    let fresh = 0;
    for (const write of writes) {
      if (write.kind !== 'event') continue;
      const stored = appendEvent(this.#statements, write.event, time);
      if (stored.fresh) fresh++;
      events.push({ sequence: stored.sequence, body: stored.body });
    }
    const repeated = events.length > 0 && fresh === 0;
    for (const write of writes) {
      switch (write.kind) {
        case 'event':
          break;
        case 'hold-add':
          holds.push(addHold(this.#statements, write.hold, write.passing === true));
          break;
        case 'hold-move':
          moveHold(this.#statements, write.id, write.from, write.to, repeated);
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
          this.#statements.run(
            'UPDATE edge SET admitted = ? WHERE repository = ? AND parent = ?',
            this.#nextEdge(),
            write.repository,
            write.parent,
          );
          break;
        case 'pushed':
          this.#statements.run(
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
          this.#statements.run(
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
          this.#statements.run(
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
            this.#statements.run(
              'DELETE FROM revocation WHERE subject = ?',
              subjectOf(write.revocation),
            ),
          );
          break;
        default:
          applyTrust(this.#statements, write, { time, repeated });
      }
    }
    return { ok: true, events, holds };
  }

  #addEdges(repository: string, parent: string, children: readonly string[]): void {
    const sql =
      'INSERT OR IGNORE INTO edge (repository, parent, child, learned) VALUES (?, ?, ?, ?)';
    const learned = this.#nextEdge();
    for (const child of children) this.#statements.run(sql, repository, parent, child, learned);
  }

  #nextEdge(): number {
    const row = this.#statements.get(
      'UPDATE store SET edge_count = edge_count + 1 RETURNING edge_count',
    );
    return Number(row?.['edge_count']);
  }

  #revoke(revocation: Revocation, by: string, time: number): void {
    const { kind, reason } = revocation;
    const repository = kind === 'key' ? null : revocation.repository;
    const name =
      kind === 'key' ? revocation.keyId : kind === 'tag' ? revocation.tag : revocation.digest;
    this.#raise(
      this.#statements.run(
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
    if (changes > 0) this.#statements.run('UPDATE store SET trust_revision = trust_revision + 1');
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
