import { LIMITS } from '../../lib/limits.ts';
import type { Result } from '../../lib/result.ts';
import { ok, refuse } from '../../lib/result.ts';
import type { Repository } from '../../oci/reference.ts';
import { parseEnvelope } from '../../tuf/envelope.ts';
import type { FileMeta } from '../../tuf/file-meta.ts';
import { checkFile } from '../../tuf/file-meta.ts';
import { verifyListing } from '../../tuf/listing.ts';
import type { Root } from '../../tuf/root.ts';
import { parseTargets } from '../../tuf/targets.ts';
import { invalid } from '../../tuf/trust-data.ts';
import type { LoadOptions, TrustReader } from './load.ts';

/** All files of one repository together; one alone is bounded by `LIMITS.trustMetadataBytes`. */
const TOTAL_BYTES = 100 * 1024 * 1024;

/**
 * Fetches the timestamp, the snapshot that it names, the targets that this one names, and their delegations:
 * unverified but for the two listings. Throws where the server or the cache cannot be asked.
 */
export async function fetchFiles(
  { server, cache }: TrustReader,
  repository: Repository,
  root: Root,
  { now, mayHaveExpired }: { readonly now: Date } & Required<LoadOptions>,
): Promise<Result<ReadonlyMap<string, Uint8Array>>> {
  const files = new Map<string, Uint8Array>();
  let total = 0;
  // By hash a file is one and the same wherever it comes from: docker's cache saves the way.
  const byHash = async (role: string, meta: FileMeta): Promise<Result<Uint8Array | null>> => {
    total += meta.length;
    if (meta.length > LIMITS.trustMetadataBytes || total > TOTAL_BYTES) {
      return refuse('TOO_LARGE', `expected at most ${TOTAL_BYTES} bytes of trust data, found more`);
    }
    const cached = await cache.read(repository, role);
    if (cached !== null && checkFile(cached, role, meta).ok) return ok(cached);
    return ok(await server.file(repository, `${role}.${meta.sha256}`, meta.length));
  };
  const unavailable = (role: string): Result<never> =>
    invalid(
      `trust data missing for remote repository ${repository}: ${role} trust data unavailable. Has a notary repository been initialized?`,
    );

  const stamp = await server.file(repository, 'timestamp', LIMITS.timestampBytes);
  if (stamp === null) return unavailable('timestamp');
  // Nothing that it names is asked for before its signature is known to be good.
  const timestamp = verifyListing(
    stamp,
    'timestamp',
    root.roles.timestamp,
    mayHaveExpired === 'timestamp' ? null : now,
  );
  if (!timestamp.ok) return timestamp;
  files.set('timestamp', stamp);
  const named = timestamp.value.meta.get('snapshot');
  const snapshotFile = named === undefined ? ok(null) : await byHash('snapshot', named);
  if (!snapshotFile.ok) return snapshotFile;
  if (snapshotFile.value === null) return unavailable('snapshot');
  const snapshot = verifyListing(
    snapshotFile.value,
    'snapshot',
    root.roles.snapshot,
    mayHaveExpired === 'targets' ? null : now,
  );
  if (!snapshot.ok) return snapshot;
  files.set('snapshot', snapshotFile.value);

  const asked = new Set(['targets']);
  for (const role of asked) {
    const meta = snapshot.value.meta.get(role);
    if (meta === undefined) continue;
    const file = await byHash(role, meta);
    if (!file.ok) return file;
    if (file.value === null) {
      if (role === 'targets') return unavailable(role);
      continue;
    }
    files.set(role, file.value);
    for (const name of delegationsOf(file.value, role)) {
      if (asked.size <= LIMITS.trustKeys) asked.add(name);
    }
  }
  return ok(files);
}

/** Whom a file delegates to, unverified: it is only asked for. */
function delegationsOf(bytes: Uint8Array, role: string): readonly string[] {
  const envelope = parseEnvelope(bytes);
  const targets = envelope.ok ? parseTargets(envelope.value, role) : envelope;
  return targets.ok ? targets.value.delegations.map(({ name }) => name) : [];
}
