import { codeOf } from '../../lib/errors.ts';
import { LIMITS } from '../../lib/limits.ts';
import type { Clock } from '../../lib/time.ts';
import type { Refusal, Result } from '../../lib/result.ts';
import { ok, refuse } from '../../lib/result.ts';
import type { Repository } from '../../oci/reference.ts';
import { parseEnvelope } from '../../tuf/envelope.ts';
import type { FileMeta } from '../../tuf/file-meta.ts';
import { checkFile } from '../../tuf/file-meta.ts';
import { verifyListing } from '../../tuf/listing.ts';
import type { TrustedRepository } from '../../tuf/repository.ts';
import { verifyRepository } from '../../tuf/repository.ts';
import type { Root } from '../../tuf/root.ts';
import { isVersion } from '../../tuf/signed-fields.ts';
import { parseTargets } from '../../tuf/targets.ts';
import { invalid } from '../../tuf/trust-data.ts';
import type { TrustServer } from './client.ts';
import { followRoot } from './follow-root.ts';
import { seenVersions } from './seen-versions.ts';
import type { TrustCache } from './trust-cache.ts';

/** What reading a repository's trust data needs. */
export interface TrustReader {
  readonly server: TrustServer;
  readonly cache: TrustCache;
  readonly clock: Clock;
}

/** A repository's trust data as it is now, verified from the root that this machine trusts. */
export interface LoadedTrust {
  readonly gun: Repository;
  readonly repository: TrustedRepository;
  /** The files as they came, by role; also those of delegations that cannot be believed. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** What a trust server has of a repository. */
export type TrustLoad =
  | ({ readonly kind: 'trusted' } & LoadedTrust)
  /** `pinned`: this machine has seen trust data of it before. */
  | { readonly kind: 'none'; readonly pinned: boolean }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/** How a repository's trust data are read. */
export interface LoadOptions {
  /**
   * `targets`: `targets` and the snapshot may have, for who signs them again; `timestamp`: that one may
   * have, for who gives the server a key to sign others. See `RepositoryFiles`.
   */
  readonly mayHaveExpired?: 'nothing' | 'targets' | 'timestamp';
}

/** All files of one repository together; one alone is bounded by `LIMITS.trustMetadataBytes`. */
const TOTAL_BYTES = 100 * 1024 * 1024;

/**
 * Reads a repository's trust data as docker does (dct-protocol 5.4): root from the cached one on,
 * timestamp, and from there everything by its hash; nothing older than what the cache has. What was
 * accepted is written to the cache. Throws where the server or the cache cannot be asked.
 */
export async function loadTrust(
  reader: TrustReader,
  repository: Repository,
  { mayHaveExpired = 'nothing' }: LoadOptions = {},
): Promise<TrustLoad> {
  const pinned = await reader.cache.read(repository, 'root');
  const attempt = async (): Promise<TrustLoad> => {
    const newest = await reader.server.file(repository, 'root');
    if (newest === null) return { kind: 'none', pinned: pinned !== null };
    const loaded = await loadFrom(reader, repository, { pinned, newest, mayHaveExpired });
    return loaded.ok
      ? { kind: 'trusted', ...loaded.value }
      : { kind: 'refused', refusal: loaded.refusal };
  };
  const first = await attempt();
  // Somebody may have published between two of the requests; a second look tells.
  const last = first.kind === 'refused' ? await attempt() : first;
  if (last.kind === 'trusted') await remember(reader.cache, repository, last, pinned);
  return last;
}

interface From extends Required<LoadOptions> {
  readonly pinned: Uint8Array | null;
  readonly newest: Uint8Array;
}

async function loadFrom(
  reader: TrustReader,
  repository: Repository,
  { pinned, newest, mayHaveExpired }: From,
): Promise<Result<LoadedTrust>> {
  const { server, cache } = reader;
  const now = reader.clock();
  const root = await followRoot({ server, repository, now, pinned, newest });
  if (!root.ok) return root;
  const files = await fetchFiles(reader, repository, root.value, { now, mayHaveExpired });
  if (!files.ok) return files;
  const seen = await seenVersions(cache, repository, root.value);
  const verified = verifyRepository({
    gun: repository,
    now,
    root: root.value,
    files: files.value,
    seen,
    mayHaveExpired,
  });
  if (!verified.ok) return verified;
  const all = new Map([['root', newest], ...files.value]);
  return ok({ gun: repository, repository: verified.value, files: all });
}

/** Fetches the timestamp, the snapshot that it names, the targets that this one names, and their delegations. */
async function fetchFiles(
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

async function remember(
  cache: TrustCache,
  repository: Repository,
  { repository: trusted, files }: LoadedTrust,
  pinned: Uint8Array | null,
): Promise<void> {
  if (await isBehind(cache, repository, { trusted, pinned, root: files.get('root') })) return;
  const believed = [...files].filter(([role]) => !trusted.tree.unreadable.has(role));
  const changed = new Map<string, Uint8Array>();
  for (const [role, bytes] of believed) {
    const before = await cache.read(repository, role);
    if (before === null || !Buffer.from(before).equals(bytes)) changed.set(role, bytes);
  }
  try {
    await cache.write(repository, changed);
  } catch (error) {
    // A folder that may only be read (a container's secret) keeps its pin; a first root must be kept.
    if (codeOf(error) !== 'STORE_UNAVAILABLE' || (await cache.read(repository, 'root')) === null) {
      throw error;
    }
  }
}

/**
 * True where another program has pinned another root, or seen something newer by this one, since this
 * one asked: two that run at once must not give a server its chance to go back (T-23).
 */
async function isBehind(
  cache: TrustCache,
  repository: Repository,
  {
    trusted,
    pinned,
    root,
  }: {
    readonly trusted: TrustedRepository;
    readonly pinned: Uint8Array | null;
    readonly root: Uint8Array | undefined;
  },
): Promise<boolean> {
  const same = (a: Uint8Array | null, b: Uint8Array | null | undefined): boolean =>
    a === null || b === null || b === undefined ? a === b : Buffer.from(a).equals(b);
  const now = await cache.read(repository, 'root');
  if (!same(now, root)) return !same(now, pinned);
  const bytes = await cache.read(repository, 'timestamp');
  const kept = bytes === null ? null : parseEnvelope(bytes);
  const version = kept?.ok === true ? kept.value.signed['version'] : undefined;
  return isVersion(version) && version > trusted.timestamp.version;
}
