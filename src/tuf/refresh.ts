import type { Result } from '../lib/result.ts';
import { ok } from '../lib/result.ts';
import { parseEnvelope } from './envelope.ts';
import type { Listing, ListingRole } from './listing.ts';
import { parseListing } from './listing.ts';
import { verifyRoot } from './root-trust.ts';
import type { ServerPlan } from './server-plan.ts';
import { planListing } from './server-plan.ts';
import type { UpdateRequest } from './update.ts';
import { invalid } from './trust-data.ts';

/**
 * What a server has to sign anew before it answers with a timestamp or snapshot (dct-protocol 2.6): a
 * snapshot that has expired, where the server holds its key, and then the timestamp; or the timestamp
 * alone. `null` where everything is fresh. Refuses where the root, or its certificates, have ended, and
 * where the timestamp's key is not here.
 */
export function planRefresh({
  gun,
  now,
  stored,
  serverKeys,
}: Omit<UpdateRequest, 'parts'>): Result<ServerPlan | null> {
  const files = { root: stored.get('root'), snapshot: stored.get('snapshot') };
  const stamped = stored.get('timestamp');
  if (files.root === undefined || files.snapshot === undefined || stamped === undefined) {
    return invalid('expected a root, a snapshot and a timestamp to be stored');
  }
  const snapshot = read(files.snapshot.bytes, 'snapshot');
  if (!snapshot.ok) return snapshot;
  const timestamp = read(stamped.bytes, 'timestamp');
  if (!timestamp.ok) return timestamp;
  if (snapshot.value.expires > now && timestamp.value.expires > now) return ok(null);
  const root = verifyRoot(files.root.bytes, { gun, now, expiry: 'required' });
  if (!root.ok) return root;
  const plan = (name: ListingRole, { version }: Listing): ReturnType<typeof planListing> =>
    planListing(name, root.value.roles[name], { now, serverKeys, version });
  const again = snapshot.value.expires > now ? null : plan('snapshot', snapshot.value);
  // A snapshot that the client signs can only be signed anew by the client.
  if (again === null && timestamp.value.expires > now) return ok(null);
  const stamp = plan('timestamp', timestamp.value);
  if (stamp === null) return invalid('no timestamp keys exist on the server');
  return ok({
    snapshot:
      again === null
        ? { kind: 'kept', bytes: files.snapshot.bytes }
        : { kind: 'make', plan: again, meta: snapshot.value.meta },
    timestamp: stamp,
  });
}

/** Our own signatures are not checked: what matters is what has to be signed anew. */
function read(bytes: Uint8Array, role: ListingRole): Result<Listing> {
  const envelope = parseEnvelope(bytes);
  return envelope.ok ? parseListing(envelope.value, role) : envelope;
}
