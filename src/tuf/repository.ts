import { LIMITS } from '../lib/limits.ts';
import type { Refusal, Result } from '../lib/result.ts';
import { ok } from '../lib/result.ts';
import { parseEnvelope } from './envelope.ts';
import { checkFile } from './file-meta.ts';
import type { Listing, ListingRole } from './listing.ts';
import { verifyListing } from './listing.ts';
import { rootCertificateExpiry, rootSigners } from './root-certificates.ts';
import type { Root } from './root.ts';
import { parentOf } from './role-name.ts';
import { checkExpiry, checkVersion } from './signed-fields.ts';
import type { TargetsTree, TrustedTargets } from './targets-tree.ts';
import { verifyTargets } from './targets-tree.ts';
import type { SigningRole } from './threshold.ts';
import { invalid } from './trust-data.ts';

/** A repository's metadata as it was fetched, and what it is judged by. */
export interface RepositoryFiles {
  readonly gun: string;
  readonly now: Date;
  /** The newest root, verified by `verifyRoot` or `followRoots`. */
  readonly root: Root;
  /** `timestamp`, `snapshot`, `targets` and delegations, by role name. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** The newest version of each role that was ever accepted; lower ones are refused. */
  readonly seen: ReadonlyMap<string, number>;
  /**
   * What may have expired. `timestamp`, whose end does not bound the result then: for who makes the
   * timestamps himself, since they say nothing to him, and at rest nobody renews them. `targets`: for who
   * is about to sign `targets` and the snapshot again; a delegation that has expired is set aside as ever.
   * `all`: for who takes over what another server kept, and says himself what has ended.
   */
  readonly mayHaveExpired?: 'nothing' | 'timestamp' | 'targets' | 'all';
}

/** A repository whose parts are signed, fresh, and belong together. */
export interface TrustedRepository {
  readonly gun: string;
  readonly root: Root;
  readonly timestamp: Listing;
  readonly snapshot: Listing;
  readonly tree: TargetsTree;
  /** To be remembered as `seen`, never lower than it was. */
  readonly versions: ReadonlyMap<string, number>;
  /** When the first part of it ends; nothing derived from it holds longer. */
  readonly expires: Date;
}

/**
 * Verifies a repository from its timestamp down (TUF 5.4 to 5.6, dct-protocol 5.4): each file is signed
 * as the root or its parent demands, is the one that is listed above it by length and hash, has not
 * expired (T-22), and is not older than what was seen (T-23). A delegation that fails is set aside with
 * its reason, as clients do; everything else is fatal.
 */
export function verifyRepository(given: RepositoryFiles): Result<TrustedRepository> {
  const { gun, root, files, seen } = given;
  const now = given.mayHaveExpired === 'all' ? null : given.now;
  const rooted = checkRoot(given, now);
  if (!rooted.ok) return rooted;
  const timestamp = verifyListed(
    given,
    'timestamp',
    given.mayHaveExpired === 'timestamp' ? null : now,
    null,
  );
  if (!timestamp.ok) return timestamp;
  const held = given.mayHaveExpired === 'targets' ? null : now;
  const snapshot = verifyListed(given, 'snapshot', held, timestamp.value);
  if (!snapshot.ok) return snapshot;
  const listed = checkListed(snapshot.value, 'root', root.envelope.bytes);
  if (!listed.ok) return listed;

  const roles = new Map<string, TrustedTargets>();
  const unreadable = new Map<string, Refusal>();
  const queue = ['targets'];
  const left = {
    signatures: LIMITS.trustSignaturesTogether as number,
    values: LIMITS.trustRepositoryValues as number,
  };
  for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
    // What no snapshot lists was never published: docker asks the delegations that are listed. What was
    // seen must go on being listed (TUF 5.5.5): else whoever has the snapshot's key could hide what
    // releases say, and an older tag of `targets` would count.
    if (name !== 'targets' && !snapshot.value.meta.has(name)) {
      if (seen.has(name)) unreadable.set(name, unlisted(name));
      continue;
    }
    const bytes = files.get(name);
    const role = verifyOne(name, bytes, {
      root,
      roles,
      seen,
      snapshot: snapshot.value,
      left,
      now: name === 'targets' ? held : now,
    });
    if (role.ok) {
      roles.set(name, role.value);
      // Where no key is listed nobody can say anything, which whoever signs the parent decided: docker's
      // `signer remove` leaves releases so. What still lies there in the last signer's words is nobody's.
      const asked = role.value.delegations.filter(({ keys }) => keys.size > 0);
      queue.push(...asked.map((delegation) => delegation.name));
    } else if (name === 'targets') {
      return role;
    } else {
      unreadable.set(name, role.refusal);
    }
  }
  const stamped = given.mayHaveExpired === 'timestamp' ? [] : [timestamp.value];
  const parts = [root, ...stamped, snapshot.value, ...roles.values()];
  const ends = [...parts.map((part) => part.expires), rootCertificateExpiry(root) ?? root.expires];
  return ok({
    gun,
    root,
    timestamp: timestamp.value,
    snapshot: snapshot.value,
    tree: { roles, unreadable },
    versions: versionsOf(given, timestamp.value, snapshot.value, roles),
    expires: new Date(Math.min(...ends.map((end) => end.getTime()))),
  });
}

function unlisted(name: string): Refusal {
  const message = `${name} was published before and the snapshot does not list it any more`;
  return { code: 'TRUST_DATA_ROLLBACK', message };
}

/** Who signs a role now: of the root, or of its parent's delegations; `undefined` for a role that nobody was given. */
export function signingRoleOf(
  { root, tree }: Pick<TrustedRepository, 'root' | 'tree'>,
  name: string,
): SigningRole | undefined {
  if (name === 'targets') return root.roles.targets;
  return tree.roles.get(parentOf(name))?.delegations.find((one) => one.name === name);
}

/** A root that was verified earlier may have ended since. */
function checkRoot({ root, gun, seen }: RepositoryFiles, now: Date | null): Result<true> {
  if (rootSigners(root, gun, now).size === 0) {
    return invalid(
      'could not validate the path to a trusted root: unable to retrieve valid leaf certificates',
    );
  }
  const version = checkVersion(root, seen.get('root') ?? 1);
  return version.ok && now !== null ? checkExpiry(root, 'root', now) : version;
}

function verifyListed(
  { root, files, seen }: RepositoryFiles,
  role: ListingRole,
  now: Date | null,
  above: Listing | null,
): Result<Listing> {
  const bytes = files.get(role);
  if (bytes === undefined) return invalid(`${role} trust data unavailable`);
  const listed = above === null ? ok(true) : checkListed(above, role, bytes);
  if (!listed.ok) return listed;
  const listing = verifyListing(bytes, role, root.roles[role], now);
  if (!listing.ok) return listing;
  const version = checkVersion(listing.value, seen.get(role) ?? 1);
  return version.ok ? listing : version;
}

interface Surroundings {
  readonly root: Root;
  readonly roles: ReadonlyMap<string, TrustedTargets>;
  readonly now: Date | null;
  readonly seen: ReadonlyMap<string, number>;
  readonly snapshot: Listing;
  /**
   * What is still read and checked, in roles that are set aside then too: a signer with many roles below
   * his own must not stop the clock for all (T-60).
   */
  readonly left: { signatures: number; values: number };
}

function verifyOne(
  name: string,
  bytes: Uint8Array | undefined,
  { root, roles, now, seen, snapshot, left }: Surroundings,
): Result<TrustedTargets> {
  if (bytes === undefined) return invalid(`${name} trust data unavailable`);
  const listed = checkListed(snapshot, name, bytes);
  if (!listed.ok) return listed;
  if (left.values < 0) return tooMany('JSON values', LIMITS.trustRepositoryValues);
  const envelope = parseEnvelope(bytes);
  if (!envelope.ok) return envelope;
  const { values, signatures } = envelope.value;
  left.values -= values;
  if (left.values < 0) return tooMany('JSON values', LIMITS.trustRepositoryValues);
  if (signatures.length > left.signatures)
    return tooMany('signatures', LIMITS.trustSignaturesTogether);
  left.signatures -= signatures.length;
  const role = verifyTargets(name, envelope.value, { root, verified: roles, now: null });
  if (!role.ok) return role;
  // Before its end: what has expired and is older, too, must not be taken for what only has to be signed again.
  const version = checkVersion(role.value, seen.get(name) ?? 1);
  if (!version.ok) return version;
  const fresh = now === null ? version : checkExpiry(role.value, name, now);
  return fresh.ok ? role : fresh;
}

function tooMany(what: string, most: number): Result<never> {
  return invalid(`expected at most ${most} ${what} in all roles`);
}

/** Checks a file against the listing above it. */
export function checkListed(above: Listing, role: string, bytes: Uint8Array): Result<true> {
  const expected = above.meta.get(role);
  return expected === undefined
    ? invalid(`no checksums for supported algorithms were provided for ${role}`)
    : checkFile(bytes, role, expected);
}

function versionsOf(
  { seen, root }: RepositoryFiles,
  timestamp: Listing,
  snapshot: Listing,
  roles: ReadonlyMap<string, TrustedTargets>,
): ReadonlyMap<string, number> {
  // A delegation that is set aside, or gone, keeps what was seen of it.
  const versions = new Map(seen);
  versions.set('root', root.version).set('timestamp', timestamp.version);
  versions.set('snapshot', snapshot.version);
  for (const [name, { version }] of roles) versions.set(name, version);
  return versions;
}
