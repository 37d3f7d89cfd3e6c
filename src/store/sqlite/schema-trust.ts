/** The schema's step that brings the repository and role that each signed statement of a targets role was made for. */
export const STATEMENT_STEP = `
  CREATE TABLE trust_statement (
    sha256 TEXT PRIMARY KEY CHECK (length(sha256) = 64),
    repository TEXT NOT NULL,
    role TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  `;

/** The schema's step that brings Notary v1 trust data; see {@link TrustReads} and {@link TrustWrite}. */
export const TRUST_STEP = `
  CREATE TABLE trust_file (
    id INTEGER PRIMARY KEY,
    repository TEXT NOT NULL,
    role TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version >= 1),
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    stored_at INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    UNIQUE (repository, role, version)
  ) STRICT;
  CREATE INDEX trust_file_sha256 ON trust_file (repository, role, sha256);
  -- The newest file of each role, so that the current state is a few look-ups however many versions there are.
  CREATE TABLE trust_head (
    repository TEXT NOT NULL,
    role TEXT NOT NULL,
    version INTEGER NOT NULL,
    size INTEGER NOT NULL,
    file INTEGER NOT NULL REFERENCES trust_file (id),
    PRIMARY KEY (repository, role)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE trust_entry (
    repository TEXT NOT NULL,
    digest TEXT NOT NULL,
    role TEXT NOT NULL,
    tag TEXT NOT NULL,
    key_id TEXT NOT NULL,
    -- 0 where another server signed it at a time that nobody knows.
    published_at INTEGER NOT NULL,
    PRIMARY KEY (repository, digest, role, tag, key_id)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE trust_pin (
    repository TEXT PRIMARY KEY,
    root BLOB NOT NULL
  ) STRICT;
  CREATE TABLE trust_seen (
    repository TEXT NOT NULL,
    role TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (repository, role)
  ) STRICT, WITHOUT ROWID;
  CREATE TRIGGER trust_seen_rises BEFORE UPDATE ON trust_seen WHEN NEW.version < OLD.version
  BEGIN SELECT RAISE(ABORT, 'versions that were seen only rise'); END;

  CREATE TABLE server_key (
    id TEXT PRIMARY KEY,
    repository TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('snapshot', 'timestamp')),
    algorithm TEXT NOT NULL CHECK (algorithm IN ('ed25519', 'ecdsa')),
    public_key TEXT NOT NULL,
    sealed TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    used_at INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX server_key_repository ON server_key (repository, created_at, id);

  -- Ids up to here were given by a database that is lost: consumers have seen them.
  ALTER TABLE store ADD COLUMN feed_floor INTEGER NOT NULL DEFAULT 0;
  CREATE TABLE trust_change (
    id INTEGER PRIMARY KEY CHECK (id >= 1),
    repository TEXT NOT NULL,
    version INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    category TEXT NOT NULL CHECK (category IN ('update', 'deletion')),
    time INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX trust_change_repository ON trust_change (repository, id);
  CREATE TRIGGER trust_change_no_update BEFORE UPDATE ON trust_change
  BEGIN SELECT RAISE(ABORT, 'changes are never changed'); END;
  CREATE TRIGGER trust_change_no_delete BEFORE DELETE ON trust_change
  BEGIN SELECT RAISE(ABORT, 'changes are never deleted'); END;
  `;
