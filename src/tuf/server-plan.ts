import type { FileMeta } from './file-meta.ts';
import { fileMetaOf } from './file-meta.ts';
import { parseEnvelope } from './envelope.ts';
import { lifetime } from './lifetime.ts';
import { parseListing } from './listing.ts';
import type { Root } from './root.ts';
import type { TrustedTargets } from './targets-tree.ts';
import type { SigningRole } from './threshold.ts';
import type { UpdateRequest } from './update.ts';
import type { Part } from './update-parts.ts';
import type { Step } from './update-refusal.ts';
import { fault, step } from './update-refusal.ts';

/** A file that the server is to make: what it says beside `meta`, and the keys that sign it. */
export interface FilePlan {
  readonly version: number;
  readonly expires: Date;
  readonly keyIds: readonly string[];
}

/** The files that the server makes for an upload. */
export interface ServerPlan {
  /** The snapshot to be made, or the bytes of the one that stays: the client's own, or a fresh one. */
  readonly snapshot:
    | {
        readonly kind: 'make';
        readonly plan: FilePlan;
        readonly meta: ReadonlyMap<string, FileMeta>;
      }
    | { readonly kind: 'kept'; readonly bytes: Uint8Array };
  /** Its one entry is the snapshot's bytes. */
  readonly timestamp: FilePlan;
}

/** What was verified of an upload. */
interface Verified {
  readonly root: Root;
  readonly targets: ReadonlyMap<string, TrustedTargets>;
  readonly snapshot: Part | undefined;
}

/** Steps 5 and 6: the snapshot where the client brought none, and always the timestamp. */
export function planServerFiles(request: UpdateRequest, verified: Verified): Step<ServerPlan> {
  const snapshot =
    verified.snapshot === undefined
      ? planSnapshot(request, verified)
      : step({ kind: 'kept' as const, bytes: verified.snapshot.bytes });
  if (!snapshot.ok) return snapshot;
  const timestamp = planFile(request, 'timestamp', verified.root.roles.timestamp);
  // Notary's own text, both spaces.
  if (timestamp === null) return fault('ErrBadRoot', 'no  timestamp keys exist on the server');
  return step({ snapshot: snapshot.value, timestamp });
}

function planSnapshot(
  request: UpdateRequest,
  { root, targets }: Verified,
): Step<ServerPlan['snapshot']> {
  const stored = request.stored.get('snapshot');
  if (stored === undefined && !targets.has('targets')) {
    return fault('ErrValidation', 'targets must be loaded first');
  }
  const before = stored === undefined ? new Map<string, FileMeta>() : readStored(stored.bytes);
  if (before === null) return fault('ErrValidation', 'the stored snapshot cannot be read');
  const plan = planFile(request, 'snapshot', root.roles.snapshot);
  if (plan === null) {
    return fault(
      'ErrBadHierarchy',
      'no snapshot was included in update and server does not hold current snapshot key for repository',
      'snapshot',
    );
  }
  // Entries of delegations that are gone stay: one that is added again goes on from its old version.
  const meta = new Map(before);
  meta.set('root', fileMetaOf(root.envelope.bytes));
  for (const [role, { envelope }] of targets) meta.set(role, fileMetaOf(envelope.bytes));
  return step({ kind: 'make', plan, meta });
}

/** A stored snapshot may be signed by a key that the root no longer lists: it is read, not verified. */
function readStored(bytes: Uint8Array): ReadonlyMap<string, FileMeta> | null {
  const envelope = parseEnvelope(bytes);
  const listing = envelope.ok ? parseListing(envelope.value, 'snapshot') : envelope;
  return listing.ok ? listing.value.meta : null;
}

function planFile(
  { now, stored, serverKeys }: UpdateRequest,
  name: 'snapshot' | 'timestamp',
  role: SigningRole,
): FilePlan | null {
  return planListing(name, role, { now, serverKeys, version: stored.get(name)?.version ?? 0 });
}

/** Plans the version after the given one; `null` where the server holds too few keys of the role. */
export function planListing(
  name: 'snapshot' | 'timestamp',
  role: SigningRole,
  at: { readonly now: Date; readonly serverKeys: ReadonlySet<string>; readonly version: number },
): FilePlan | null {
  const usable = [...role.keys].filter(([id, { key }]) => key !== null && at.serverKeys.has(id));
  const distinct = new Set(usable.map(([, { key }]) => key?.id));
  if (distinct.size < role.threshold) return null;
  const keyIds = usable.map(([id]) => id);
  return { version: at.version + 1, expires: lifetime(name, at.now), keyIds };
}
