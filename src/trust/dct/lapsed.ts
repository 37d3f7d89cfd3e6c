import { CountersignError } from '../../lib/errors.ts';
import { canonicalKeyId } from '../../tuf/public-key.ts';
import type { Repository } from '../../oci/reference.ts';
import type { EditableRole } from './editable.ts';
import { editable } from './editable.ts';
import type { HeldKeys } from './held-keys.ts';
import type { LoadedTrust } from './load.ts';
import type { TrustEdit } from './submit.ts';

/** A change, and what it signs again because it had expired. */
interface WithLapsed {
  readonly edit: TrustEdit | null;
  /** What a person should know, once it is done. */
  readonly told: readonly string[];
  /** True where the snapshot is signed again here. */
  readonly snapshot: boolean;
}

/**
 * Adds to a change what nobody believes any more because it has expired: `targets`, as it is, and the
 * snapshot, where its key is a person's (Notary's `witness` does it for roles alone). Both were
 * verified but for their end, below a timestamp that has not ended, and are no older than what this machine
 * has seen: who can only hold back what is new gets nothing old signed anew. Throws NO_SIGNING_KEY
 * where a key for it is not here.
 */
export async function withLapsed(
  loaded: LoadedTrust,
  keys: HeldKeys,
  edit: TrustEdit | null,
  now: Date,
): Promise<WithLapsed> {
  const { repository, gun } = loaded;
  const targets = editable(loaded, 'targets', now);
  const snapshot = repository.snapshot.expires <= now;
  if (targets.believed && !snapshot) return { edit, told: [], snapshot };
  const { roles = [] } = edit ?? {};
  const own = roles.some(({ name }) => name === 'targets');
  const all = targets.believed || own ? roles : [targets, ...roles];
  if (!targets.believed) await keys.signersOf(targets.signing);
  const held = snapshot && (await holdsSnapshot(loaded, keys, all.length > 0));
  const ends = (what: string, { version, expires }: Ended): string =>
    `the ${what} of ${gun}, version ${version}, had expired at ${expires?.toISOString() ?? ''} and was signed again: all that it says holds again`;
  return {
    edit: { ...edit, roles: all },
    told: [
      ...(targets.believed ? [] : [ends('targets', targets)]),
      ...(held ? [ends('snapshot', repository.snapshot)] : []),
    ],
    snapshot,
  };
}

/**
 * What a person should know of a role that had expired and is signed again for a change to it: whatever else
 * it says holds again. `null` where it had not, or says nothing else.
 */
export function heldAgain(
  gun: Repository,
  { name, expires, believed }: Pick<EditableRole, 'name' | 'expires' | 'believed'>,
  targets: ReadonlyMap<string, unknown>,
): string | null {
  if (believed || expires === null || targets.size === 0) return null;
  const some = [...targets.keys()].slice(0, 5).join(', ');
  return `${name} of ${gun} had expired at ${expires.toISOString()} and was signed again: what else it says holds again, ${targets.size} tags (${some}${targets.size > 5 ? ', …' : ''}); take out what must not with: countersign revoke ${gun}:TAG`;
}

interface Ended {
  readonly version: number;
  readonly expires: Date | null;
}

/** A server that holds the key makes a snapshot with every publish; without one there is nothing to send. */
async function holdsSnapshot(
  { repository, gun }: LoadedTrust,
  keys: HeldKeys,
  publishes: boolean,
): Promise<boolean> {
  const listed = [...repository.root.roles.snapshot.keys.values()];
  for (const key of listed) if (await keys.holds(key)) return true;
  if (publishes) return false;
  throw new CountersignError(
    'NO_SIGNING_KEY',
    `the snapshot of ${gun} has expired, and none of its keys is here: ${listed.map(canonicalKeyId).join(', ')}`,
  );
}
