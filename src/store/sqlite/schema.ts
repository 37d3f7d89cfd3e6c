import { randomUUID } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { CountersignError } from '../../lib/errors.ts';
import { STATEMENT_STEP, TRUST_STEP } from './schema-trust.ts';

/** `CSGN`: tells our database from any other SQLite file. */
const APPLICATION_ID = 0x4353474e;

/**
 * The schema's steps, oldest first; `user_version` counts those that were taken. A step that has been
 * released is never edited: databases out there have taken it.
 */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE store (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id TEXT NOT NULL,
    trust_revision INTEGER NOT NULL DEFAULT 0,
    last_time INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE TABLE log (
    name TEXT PRIMARY KEY CHECK (name IN ('sig', 'dec')),
    size INTEGER NOT NULL DEFAULT 0,
    head BLOB NOT NULL DEFAULT x''
  ) STRICT, WITHOUT ROWID;
  INSERT INTO log (name) VALUES ('sig'), ('dec');

  CREATE TABLE event (
    sequence INTEGER PRIMARY KEY,
    log TEXT NOT NULL REFERENCES log (name),
    idx INTEGER NOT NULL,
    type TEXT NOT NULL,
    repository TEXT,
    tag TEXT,
    digest TEXT,
    body BLOB NOT NULL,
    leaf_hash BLOB NOT NULL CHECK (length(leaf_hash) = 32),
    idempotency_key BLOB NOT NULL UNIQUE CHECK (length(idempotency_key) = 32),
    content_hash BLOB NOT NULL CHECK (length(content_hash) = 32),
    UNIQUE (log, idx)
  ) STRICT;
  CREATE INDEX event_repository ON event (repository, sequence);
  CREATE INDEX event_repository_type ON event (repository, type, sequence);
  CREATE INDEX event_tag ON event (repository, tag, sequence) WHERE tag IS NOT NULL;
  CREATE INDEX event_digest ON event (digest, sequence) WHERE digest IS NOT NULL;
  CREATE INDEX event_type ON event (type, sequence);
  CREATE INDEX event_sig ON event (sequence) WHERE log = 'sig';

  CREATE TRIGGER event_no_update BEFORE UPDATE ON event
  BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
  CREATE TRIGGER event_no_delete BEFORE DELETE ON event
  BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;
  CREATE TRIGGER event_dense BEFORE INSERT ON event
  WHEN NEW.idx IS NOT (SELECT size FROM log WHERE name = NEW.log)
    OR NEW.sequence IS NOT (SELECT sum(size) + 1 FROM log)
  BEGIN SELECT RAISE(ABORT, 'events are dense'); END;
  CREATE TRIGGER event_counted AFTER INSERT ON event
  BEGIN UPDATE log SET size = size + 1, head = NEW.leaf_hash WHERE name = NEW.log; END;
  CREATE TRIGGER log_grows BEFORE UPDATE ON log WHEN NEW.size < OLD.size
  BEGIN SELECT RAISE(ABORT, 'logs only grow'); END;
  CREATE TRIGGER log_no_delete BEFORE DELETE ON log
  BEGIN SELECT RAISE(ABORT, 'logs are never deleted'); END;
  CREATE TRIGGER store_rises BEFORE UPDATE ON store
  WHEN NEW.trust_revision < OLD.trust_revision OR NEW.last_time < OLD.last_time
  BEGIN SELECT RAISE(ABORT, 'revision and time only rise'); END;

  CREATE TABLE hold (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    repository TEXT NOT NULL,
    tag TEXT NOT NULL,
    digest TEXT NOT NULL,
    media_type TEXT NOT NULL,
    manifest BLOB NOT NULL,
    pushed_by TEXT NOT NULL,
    pushed_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'promoting', 'promoted', 'expired', 'superseded'))
  ) STRICT;
  CREATE INDEX hold_state ON hold (state, id);
  CREATE INDEX hold_repository ON hold (repository, state, id);
  CREATE UNIQUE INDEX hold_waiting ON hold (repository, tag, digest) WHERE state = 'waiting';
  CREATE INDEX hold_push ON hold (repository, tag, digest, pushed_at);

  CREATE TABLE edge (
    repository TEXT NOT NULL,
    parent TEXT NOT NULL,
    child TEXT NOT NULL,
    PRIMARY KEY (repository, parent, child)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX edge_child ON edge (repository, child, parent);

  CREATE TABLE pushed (
    repository TEXT NOT NULL,
    digest TEXT NOT NULL,
    pushed_by TEXT NOT NULL,
    pushed_at INTEGER NOT NULL,
    PRIMARY KEY (repository, digest)
  ) STRICT, WITHOUT ROWID;

  -- subject: canonical JSON of kind and names, what an undo must match.
  CREATE TABLE revocation (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    subject TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('digest', 'tag', 'key')),
    repository TEXT,
    name TEXT NOT NULL,
    reason TEXT NOT NULL,
    revoked_by TEXT NOT NULL,
    revoked_at INTEGER NOT NULL
  ) STRICT;
  `,
  `
  CREATE TABLE artifact (
    repository TEXT NOT NULL,
    digest TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('signature', 'referrer', 'index')),
    name TEXT NOT NULL,
    only INTEGER NOT NULL CHECK (only IN (0, 1)),
    PRIMARY KEY (repository, digest)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- Counts what was learned of edges: their order is the one in which they came.
  ALTER TABLE store ADD COLUMN edge_count INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE edge ADD COLUMN learned INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE edge ADD COLUMN admitted INTEGER NOT NULL DEFAULT 0;
  DROP INDEX edge_child;
  CREATE INDEX edge_child ON edge (repository, child, admitted DESC, learned, parent);
  `,
  TRUST_STEP,
  STATEMENT_STEP,
];

function pragma(db: DatabaseSync, name: string): unknown {
  return Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0];
}

/** Brings a database to the present schema. Throws STORE_UNAVAILABLE for a file of another program or of a later version. */
export function migrate(db: DatabaseSync): void {
  db.exec('BEGIN IMMEDIATE');
  try {
    const application = pragma(db, 'application_id');
    const tables = db.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.['n'];
    if (application !== APPLICATION_ID && (application !== 0 || tables !== 0)) {
      throw new CountersignError(
        'STORE_UNAVAILABLE',
        'expected a database of Countersign, found that of another program; name another data folder',
      );
    }
    const taken = Number(pragma(db, 'user_version'));
    if (taken > MIGRATIONS.length) {
      throw new CountersignError(
        'STORE_UNAVAILABLE',
        `expected a database of schema ${MIGRATIONS.length} or older, found ${taken}; run the newer version that wrote it`,
      );
    }
    for (const step of MIGRATIONS.slice(taken)) db.exec(step);
    if (taken === 0) db.prepare('INSERT INTO store (one, id) VALUES (1, ?)').run(randomUUID());
    db.exec(
      `PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${MIGRATIONS.length}`,
    );
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}
