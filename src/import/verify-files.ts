import type { Refusal, Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import { parseEnvelope } from '../tuf/envelope.ts';
import type { Listing, ListingRole } from '../tuf/listing.ts';
import { verifyListing } from '../tuf/listing.ts';
import { checkListed } from '../tuf/repository.ts';
import type { Root } from '../tuf/root.ts';
import { parseExpires } from '../tuf/signed-fields.ts';
import type { TargetsTree, TrustedTargets } from '../tuf/targets-tree.ts';
import { verifyTargets } from '../tuf/targets-tree.ts';

/** A repository's newest files, signed and fitting each other. */
export interface VerifiedFiles {
  readonly root: Root;
  readonly snapshot: Listing;
  readonly timestamp: Listing;
  readonly tree: TargetsTree;
}

/**
 * Verifies the newest file of each role from the timestamp down, as clients do, but for the dates: at
 * rest a timestamp has expired that nobody asked for, and so may have whatever its owner is to sign
 * anew. A delegation that fails is set aside with its reason; everything else is refused.
 */
export function verifyFiles(
  root: Root,
  newest: ReadonlyMap<string, Uint8Array>,
): Result<VerifiedFiles> {
  const timestamp = verifyListed(root, 'timestamp', newest.get('timestamp'), null);
  if (!timestamp.ok) return timestamp;
  const snapshot = verifyListed(root, 'snapshot', newest.get('snapshot'), timestamp.value);
  if (!snapshot.ok) return snapshot;
  const listed = checkListed(snapshot.value, 'root', root.envelope.bytes);
  if (!listed.ok) return listed;
  const roles = new Map<string, TrustedTargets>();
  const unreadable = new Map<string, Refusal>();
  const queue = ['targets'];
  for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
    // What no snapshot lists was never published.
    if (name !== 'targets' && !snapshot.value.meta.has(name)) continue;
    const role = verifyRole(name, newest.get(name), snapshot.value, root, roles);
    if (role.ok) {
      roles.set(name, role.value);
      queue.push(...role.value.delegations.map((delegation) => delegation.name));
    } else if (name === 'targets') {
      return role;
    } else {
      unreadable.set(name, role.refusal);
    }
  }
  const tree = { roles, unreadable };
  return ok({ root, timestamp: timestamp.value, snapshot: snapshot.value, tree });
}

function verifyListed(
  root: Root,
  role: ListingRole,
  bytes: Uint8Array | undefined,
  above: Listing | null,
): Result<Listing> {
  if (bytes === undefined) return refuse('TRUST_DATA_INVALID', `expected a ${role}, found none`);
  const listed = above === null ? ok(true) : checkListed(above, role, bytes);
  if (!listed.ok) return listed;
  const envelope = parseEnvelope(bytes);
  if (!envelope.ok) return envelope;
  const end = parseExpires(envelope.value.signed['expires']);
  if (end === undefined)
    return refuse('TRUST_DATA_INVALID', `${role}: expected a time in "expires"`);
  return verifyListing(bytes, role, root.roles[role], new Date(end.getTime() - 1));
}

function verifyRole(
  name: string,
  bytes: Uint8Array | undefined,
  snapshot: Listing,
  root: Root,
  verified: ReadonlyMap<string, TrustedTargets>,
): Result<TrustedTargets> {
  if (bytes === undefined) return refuse('TRUST_DATA_INVALID', `expected ${name}, found none`);
  const listed = checkListed(snapshot, name, bytes);
  if (!listed.ok) return listed;
  const envelope = parseEnvelope(bytes);
  return envelope.ok
    ? verifyTargets(name, envelope.value, { root, verified, now: null })
    : envelope;
}
