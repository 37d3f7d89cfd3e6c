import type { Repository } from '../../oci/reference.ts';
import type { ImportedEntry, SignedEntry } from '../trust-data.ts';
import type { Statements } from './statements.ts';

/**
 * Tags of one digest by one key in one role that are on record, at most: the newest. Each decision on the
 * digest reads all, and whoever signs chooses how many they are (T-60).
 */
const KEPT = 1024;

/** Puts on record who said what; what is there already keeps its time. Throws the engine's error. */
export function addEntries(
  statements: Statements,
  repository: Repository,
  entries: readonly (SignedEntry | ImportedEntry)[],
  time: number,
): void {
  const written = new Map<string, SignedEntry>();
  for (const entry of entries) {
    const { role, tag, digest, keyId } = entry;
    const added = statements.run(
      'INSERT INTO trust_entry VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
      repository,
      digest,
      role,
      tag,
      keyId,
      'publishedAt' in entry ? (entry.publishedAt ?? 0) : time,
    );
    if (added > 0) written.set(`${digest} ${role} ${keyId}`, entry);
  }
  for (const { digest, role, keyId } of written.values()) {
    const of = [repository, digest, role, keyId] as const;
    if (statements.get(`SELECT 1 FROM trust_entry ${OF_KEY} LIMIT 1 OFFSET ${KEPT}`, ...of))
      statements.run(
        `DELETE FROM trust_entry ${OF_KEY} AND tag IN (
           SELECT tag FROM trust_entry ${OF_KEY}
           ORDER BY published_at DESC, tag LIMIT -1 OFFSET ${KEPT})`,
        ...of,
        ...of,
      );
  }
}

const OF_KEY = 'WHERE repository = ? AND digest = ? AND role = ? AND key_id = ?';
