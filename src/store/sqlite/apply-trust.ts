import type { Repository } from '../../oci/reference.ts';
import type { TrustPin, TrustWrite } from '../trust-data.ts';
import { addEntries } from './apply-entries.ts';
import { takeChange } from './apply-feed.ts';
import { addServerKey, noteUsed, resealKeys } from './apply-server-key.ts';
import { noteStatements } from './apply-statements.ts';
import type { Commit } from './apply-trust-files.ts';
import { addFiles, deleteFiles } from './apply-trust-files.ts';
import type { Statements } from './statements.ts';

/** Applies one change to trust data. Throws STORE_CONFLICT, TOO_LARGE, REQUEST_INVALID or the engine's error. */
export function applyTrust(statements: Statements, write: TrustWrite, at: Commit): void {
  switch (write.kind) {
    case 'trust-files':
      addFiles(statements, write, at);
      break;
    case 'trust-entries':
      addEntries(statements, write.repository, write.entries, at.time);
      break;
    case 'trust-statements':
      noteStatements(statements, write);
      break;
    case 'trust-pin':
      setPin(statements, write.repository, write.pin);
      break;
    case 'trust-delete':
      deleteFiles(statements, write.repository, at.time);
      break;
    case 'trust-reset':
      for (const table of ['trust_pin', 'trust_seen', 'trust_entry'])
        statements.run(`DELETE FROM ${table} WHERE repository = ?`, write.repository);
      statements.run('UPDATE store SET trust_revision = trust_revision + 1');
      break;
    case 'server-key':
      addServerKey(statements, write.key);
      break;
    case 'server-key-used':
      noteUsed(statements, write.ids, at.time);
      break;
    case 'server-key-sealed':
      resealKeys(statements, write.keys);
      break;
    case 'trust-changes':
      for (const change of write.changes) takeChange(statements, change);
      break;
  }
}

function setPin(statements: Statements, repository: Repository, { root, seen }: TrustPin): void {
  // Most publishes repeat the pin: what is there already is not written again.
  statements.run(
    `INSERT INTO trust_pin VALUES (?, ?) ON CONFLICT DO UPDATE
     SET root = excluded.root WHERE root IS NOT excluded.root`,
    repository,
    root,
  );
  for (const [role, version] of seen)
    statements.run(
      `INSERT INTO trust_seen VALUES (?, ?, ?) ON CONFLICT DO UPDATE
       SET version = excluded.version WHERE excluded.version > version`,
      repository,
      role,
      version,
    );
}
