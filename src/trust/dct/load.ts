import type { Clock } from '../../lib/time.ts';
import type { Refusal, Result } from '../../lib/result.ts';
import { ok } from '../../lib/result.ts';
import type { Repository } from '../../oci/reference.ts';
import type { TrustedRepository } from '../../tuf/repository.ts';
import { verifyRepository } from '../../tuf/repository.ts';
import type { TrustServer } from './client.ts';
import { fetchFiles } from './fetch-files.ts';
import { followRoot } from './follow-root.ts';
import { remember } from './remember.ts';
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
