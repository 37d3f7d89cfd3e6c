import type { Repository } from '../../oci/reference.ts';
import type { Envelope } from '../../tuf/envelope.ts';
import { parseEnvelope } from '../../tuf/envelope.ts';
import { parseListing } from '../../tuf/listing.ts';
import type { Root } from '../../tuf/root.ts';
import type { TrustedTargets } from '../../tuf/targets-tree.ts';
import { verifyTargets } from '../../tuf/targets-tree.ts';
import { verifyThreshold } from '../../tuf/threshold.ts';
import type { TrustCache } from './trust-cache.ts';

/**
 * The versions that this machine has seen of a repository, below which nothing is accepted (T-23). A
 * cached file counts only while the root still lets its keys sign: after a rotation, what a thief of
 * the old key counted up to must not shut out the rightful versions (TUF 5.3.11).
 */
export async function seenVersions(
  cache: TrustCache,
  repository: Repository,
  root: Root,
): Promise<ReadonlyMap<string, number>> {
  const seen = new Map<string, number>();
  for (const role of ['timestamp', 'snapshot'] as const) {
    const envelope = await cached(cache, repository, role);
    if (envelope === null || !verifyThreshold(envelope, root.roles[role]).ok) continue;
    const listing = parseListing(envelope, role);
    if (listing.ok) seen.set(role, listing.value.version);
  }
  const verified = new Map<string, TrustedTargets>();
  const roles = new Set(['targets']);
  for (const role of roles) {
    const envelope = await cached(cache, repository, role);
    const targets =
      envelope === null ? null : verifyTargets(role, envelope, { root, verified, now: null });
    if (targets?.ok !== true) continue;
    verified.set(role, targets.value);
    seen.set(role, targets.value.version);
    for (const { name } of targets.value.delegations) roles.add(name);
  }
  return seen;
}

async function cached(
  cache: TrustCache,
  repository: Repository,
  role: string,
): Promise<Envelope | null> {
  const bytes = await cache.read(repository, role);
  const envelope = bytes === null ? null : parseEnvelope(bytes);
  return envelope?.ok === true ? envelope.value : null;
}
