import { parseEnvelope } from './envelope.ts';
import { LIMITS } from '../lib/limits.ts';
import type { Result } from '../lib/result.ts';
import { checkListed } from './repository.ts';
import { verifyListing } from './listing.ts';
import { ancestorsOf } from './role-name.ts';
import { recheckRoot, verifyRoot } from './root-trust.ts';
import type { Root } from './root.ts';
import type { ServerPlan } from './server-plan.ts';
import { planServerFiles } from './server-plan.ts';
import type { TrustedTargets } from './targets-tree.ts';
import { verifyTargets } from './targets-tree.ts';
import type { Part, UploadPart } from './update-parts.ts';
import { readParts, targetsRolesOf } from './update-parts.ts';
import type { FaultName, Step } from './update-refusal.ts';
import { fault, step } from './update-refusal.ts';

/** The newest stored file of a role. */
export interface StoredFile {
  readonly version: number;
  readonly bytes: Uint8Array;
}

/** An upload and everything that it is judged by. */
export interface UpdateRequest {
  readonly gun: string;
  readonly now: Date;
  readonly parts: readonly UploadPart[];
  /** The current file of each role of `rolesToLoad`; a role that is not stored is not there. */
  readonly stored: ReadonlyMap<string, StoredFile>;
  /** The stored root as an earlier publish verified it, so that its signatures need not be checked again. */
  readonly storedRoot?: Root;
  /** Ids of the keys that the server signs this repository's snapshots and timestamps with. */
  readonly serverKeys: ReadonlySet<string>;
}

/** An upload that may be stored, all of it or nothing. */
export interface AcceptedUpdate {
  /** The uploaded files, to be stored byte for byte. */
  readonly files: readonly (UploadPart & { readonly version: number })[];
  /** The uploaded targets roles as they were verified. */
  readonly targets: ReadonlyMap<string, TrustedTargets>;
  /** What the server has to make and store with them; `null` where nothing was uploaded. */
  readonly server: ServerPlan | null;
  /** The root that the repository has from now on. */
  readonly root: Root;
}

/**
 * Judges an upload as notary-server does, in its order and in its words (dct-protocol 2). Beyond it: a
 * new root must leave the stored targets readable, a snapshot must fit the stored files too, and an
 * upload of nothing changes nothing.
 */
export function validateUpdate(request: UpdateRequest): Step<AcceptedUpdate> {
  const parts = readParts(request.parts);
  if (!parts.ok) return parts;
  const root = checkRoot(request, parts.value.get('root'));
  if (!root.ok) return root;
  const targets = checkTargets(request, root.value, parts.value);
  if (!targets.ok) return targets;
  if (parts.value.size === 0)
    return step({ files: [], targets: new Map(), server: null, root: root.value });
  const snapshot = parts.value.get('snapshot');
  if (snapshot !== undefined) {
    const checked = checkSnapshot(request, root.value, snapshot, parts.value);
    if (!checked.ok) return checked;
  }
  const server = planServerFiles(request, { root: root.value, targets: targets.value, snapshot });
  if (!server.ok) return server;
  // The store says so last (step 7), and says it again in its own transaction.
  for (const { role, version } of parts.value.values()) {
    const current = request.stored.get(role)?.version ?? 0;
    if (version <= current) return { ok: false, refusal: { code: 'VERSION' } };
    const far = tooFar(role, version, request.stored.has('root') ? current : null);
    if (far !== null) return far;
  }
  const files = [...parts.value.values()].map(({ role, version, bytes }) => ({
    role,
    version,
    bytes,
  }));
  const uploaded = [...targets.value].filter(([role]) => parts.value.has(role));
  return step({ files, targets: new Map(uploaded), server: server.value, root: root.value });
}

/**
 * Versions end at 2^31 - 1: a signer who went there at once would leave nobody another (TUF 1.5.2,
 * fast-forward). `current` is `null` where the repository begins, with all of it at the versions that its
 * owner's client has come to.
 */
function tooFar(role: string, version: number, current: number | null): Step<never> | null {
  const { trustVersionsAhead: ahead, trustFirstVersion: first } = LIMITS;
  if (version <= (current === null ? first : current + ahead)) return null;
  return fault(
    role === 'snapshot' ? 'ErrBadSnapshot' : 'ErrBadTargets',
    current === null
      ? `${role} must be at most version ${first} in a first publish, found ${version}`
      : `${role} must be at most ${ahead} versions ahead. Current ${current}, new ${version}`,
  );
}

/** Steps 1 to 3: the stored root, and the one that may follow it. */
function checkRoot(request: UpdateRequest, uploaded: Part | undefined): Step<Root> {
  const { gun, now, stored } = request;
  const file = stored.get('root');
  const previous = file && blame('ErrBadRoot', verifyStoredRoot(file, request));
  if (previous?.ok === false) return previous;
  if (uploaded === undefined) {
    return (
      previous ?? fault('ErrValidation', 'no pre-existing root and no root provided in update.')
    );
  }
  // Without a stored root the first may be version 1 or 2: clients sign the first one locally.
  const current = previous?.value.version ?? 1;
  if (uploaded.version !== current && uploaded.version !== current + 1) {
    return fault(
      'ErrBadRoot',
      `Root modifications must increment the version. Current ${current}, new ${uploaded.version}`,
    );
  }
  const trusted = previous === undefined ? {} : { previous: previous.value };
  return blame(
    'ErrBadRoot',
    verifyRoot(uploaded.bytes, { gun, now, ...trusted, expiry: 'required' }),
  );
}

function verifyStoredRoot(
  { bytes }: StoredFile,
  { gun, now, storedRoot }: UpdateRequest,
): Result<Root> {
  return storedRoot?.envelope.bytes === bytes
    ? recheckRoot(storedRoot, { gun, now })
    : verifyRoot(bytes, { gun, now, expiry: 'any' });
}

/** Step 4: every uploaded targets role, shallow to deep, with its ancestors from the upload or the store. */
function checkTargets(
  { now, stored }: UpdateRequest,
  root: Root,
  parts: ReadonlyMap<string, Part>,
): Step<ReadonlyMap<string, TrustedTargets>> {
  const verified = new Map<string, TrustedTargets>();
  let values = 0;
  const load = (role: string): Step<true> => {
    const bytes = stored.get(role)?.bytes;
    if (bytes === undefined || verified.has(role)) return step(true);
    const envelope = parseEnvelope(bytes);
    values += envelope.ok ? envelope.value.values : 0;
    if (values > LIMITS.trustRepositoryValues) {
      const most = LIMITS.trustRepositoryValues;
      return fault('ErrBadTargets', `expected at most ${most} JSON values in the roles above`);
    }
    const loaded = envelope.ok
      ? verifyTargets(role, envelope.value, { root, verified, now: null })
      : envelope;
    if (loaded.ok) verified.set(role, loaded.value);
    return loaded.ok ? step(true) : fault('ErrBadTargets', loaded.refusal.message);
  };
  // A root that replaces the targets key has to come with targets that the new key signed.
  const inherited = parts.has('root') && !parts.has('targets') ? load('targets') : step(true);
  if (!inherited.ok) return inherited;
  for (const role of targetsRolesOf(parts)) {
    for (const ancestor of ancestorsOf(role)) {
      const loaded = load(ancestor);
      if (!loaded.ok) return loaded;
    }
    const part = parts.get(role);
    if (part === undefined) continue;
    const checked = verifyTargets(role, part.envelope, { root, verified, now });
    if (!checked.ok) return fault('ErrBadTargets', checked.refusal.message);
    verified.set(role, checked.value);
  }
  return step(verified);
}

/** Step 5, the client's own snapshot: it must list the files that the repository will have. */
function checkSnapshot(
  { now, stored }: UpdateRequest,
  root: Root,
  uploaded: Part,
  parts: ReadonlyMap<string, Part>,
): Step<true> {
  const listing = verifyListing(uploaded.bytes, 'snapshot', root.roles.snapshot, now);
  if (!listing.ok) return fault('ErrBadSnapshot', listing.refusal.message);
  const files = new Map<string, { readonly bytes: Uint8Array }>([...stored, ...parts]);
  if (!files.has('targets')) return fault('ErrValidation', 'targets must be loaded first');
  for (const [role, { bytes }] of files) {
    if (role === 'snapshot' || role === 'timestamp') continue;
    // A delegation that was removed is still stored, and no longer listed.
    if (!parts.has(role) && !listing.value.meta.has(role)) continue;
    // Made for a state that another publish has replaced: that it is not newer is said at the end.
    if (!parts.has(role) && uploaded.version <= (stored.get('snapshot')?.version ?? 0)) continue;
    const listed = checkListed(listing.value, role, bytes);
    if (!listed.ok) return fault('ErrBadSnapshot', listed.refusal.message);
  }
  return step(true);
}

function blame<T>(name: FaultName, result: Result<T>): Step<T> {
  return result.ok ? step(result.value) : fault(name, result.refusal.message);
}
