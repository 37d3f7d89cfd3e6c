import { codeOf } from '../../lib/errors.ts';
import type { Repository } from '../../oci/reference.ts';
import { parseEnvelope } from '../../tuf/envelope.ts';
import type { TrustedRepository } from '../../tuf/repository.ts';
import { isDelegation } from '../../tuf/role-name.ts';
import { isVersion } from '../../tuf/signed-fields.ts';
import type { LoadedTrust } from './load.ts';
import type { TrustCache } from './trust-cache.ts';

/**
 * Writes what was accepted to the cache, but for delegations that cannot be believed. Throws STORE_UNAVAILABLE
 * where a first root cannot be kept.
 */
export async function remember(
  cache: TrustCache,
  repository: Repository,
  { repository: trusted, files }: LoadedTrust,
  pinned: Uint8Array | null,
): Promise<void> {
  if (await isBehind(cache, repository, { trusted, pinned, root: files.get('root') })) return;
  // A delegation that lists no key is not unreadable, and its file is verified by nobody either.
  const believed = [...files].filter(
    ([role]) => !isDelegation(role) || trusted.tree.roles.has(role),
  );
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
