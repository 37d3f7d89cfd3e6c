import { setTimeout as sleep } from 'node:timers/promises';
import { CountersignError } from '../../lib/errors.ts';
import type { Repository } from '../../oci/reference.ts';
import type { HeldKeys } from './held-keys.ts';
import { heldKeys } from './held-keys.ts';
import { endingSoon } from './expiry.ts';
import type { LoadedTrust, LoadOptions } from './load.ts';
import { loadTrust } from './load.ts';
import type { TrustSession } from './session.ts';
import type { TrustEdit } from './submit.ts';
import { submit } from './submit.ts';
import { withLapsed } from './lapsed.ts';

/** A change to a repository, worked out from what it is at the moment. */
export interface TrustChangeRequest {
  /** For a repository without trust data: begins it. Throws where it must be there. */
  readonly begin: () => Promise<'stored' | 'conflict'>;
  /** What to publish; `null` where all of it stands already. */
  readonly edit: (loaded: LoadedTrust, keys: HeldKeys) => Promise<TrustEdit | null>;
  /** Somebody says so: `targets` and a snapshot of one's own that have expired are signed again as they are. */
  readonly renew?: boolean;
  /** Somebody says so: what is listed by a timestamp that has ended is taken for the newest. */
  readonly expiredTimestamp?: boolean;
}

const ATTEMPTS = 8;
const PAUSE_MS = 150;
/** How often a server is asked for what it said that it stored. */
const LOOKS = 4;

/**
 * Publishes a change, again from the newest state where somebody else was faster (dct-protocol 2 step 7):
 * of two who sign at once neither loses an entry. Nothing is staged on disk, so nothing is left behind.
 * Returns whether anything was written. Throws NO_TRUST_DATA, TRUST_UPDATE_CONFLICT, the refusal of trust
 * data that cannot be believed, UPSTREAM_UNAVAILABLE where the server does not serve what it stored, and
 * what signing and publishing throw.
 */
export async function changeTrust(
  session: TrustSession,
  gun: Repository,
  request: TrustChangeRequest,
): Promise<boolean> {
  const keys = heldKeys(session.keys, session.open);
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const loaded = await loadTrust(session, gun, { mayHaveExpired: mayHaveExpired(request) });
    if (loaded.kind === 'refused') throw refused(gun, loaded.refusal);
    if (loaded.kind === 'none' && loaded.pinned) throw gone(session, gun);
    let published: 'stored' | 'conflict';
    let written: Written = new Map();
    let renewed: readonly string[] = [];
    if (loaded.kind === 'none') {
      published = await request.begin();
    } else {
      const asked = await request.edit(loaded, keys);
      const { edit, told, snapshot } = await withLapsed(loaded, keys, asked, session.clock());
      warn(session, loaded);
      if (edit === null) return false;
      written = writtenBy(edit, loaded, snapshot);
      renewed = told;
      published = await submit(session, keys, loaded, edit);
    }
    if (published === 'stored') {
      await expectServed(session, gun, written);
      for (const line of renewed) session.note(line);
      return true;
    }
    await sleep(PAUSE_MS * attempt * (0.5 + Math.random()));
  }
  throw new CountersignError(
    'TRUST_UPDATE_CONFLICT',
    `others published to ${gun} each time in ${ATTEMPTS} attempts; nothing was changed, try again`,
  );
}

function mayHaveExpired({
  renew,
  expiredTimestamp,
}: TrustChangeRequest): NonNullable<LoadOptions['mayHaveExpired']> {
  if (expiredTimestamp === true) return 'timestamp';
  return renew === true ? 'targets' : 'nothing';
}

/** Versions of the files that a change writes, by role. */
type Written = ReadonlyMap<string, number>;

function writtenBy(
  { roles, root }: TrustEdit,
  { repository }: LoadedTrust,
  snapshot: boolean,
): Written {
  const written = new Map(roles.map(({ name, version }) => [name, version + 1]));
  if (root !== undefined) written.set('root', repository.root.version + 1);
  if (snapshot) written.set('snapshot', repository.snapshot.version + 1);
  return written;
}

/**
 * Reads what was published, so that docker finds it in the cache next. "Stored" alone is believed of no
 * server: a proxy that answers everything with 200 says it too, and nobody must call signed, or revoked,
 * what nobody else will see. A replica may be a moment behind.
 */
async function expectServed(
  session: TrustSession,
  gun: Repository,
  written: Written,
): Promise<void> {
  for (let attempt = 1; attempt <= LOOKS; attempt++) {
    const after = await loadTrust(session, gun);
    if (after.kind === 'refused') throw refused(gun, after.refusal);
    if (after.kind === 'trusted' && serves(after, written)) return;
    if (attempt < LOOKS) await sleep(PAUSE_MS * 2 ** attempt);
  }
  throw new CountersignError(
    'UPSTREAM_UNAVAILABLE',
    `${session.server.host} answered that it stored the trust data of ${gun}, and does not serve them: nothing was changed as far as anybody can see; try again`,
  );
}

function serves({ repository }: LoadedTrust, written: Written): boolean {
  const { root, snapshot, tree } = repository;
  if (written.size === 0) return tree.unreadable.size === 0;
  const files = new Map<string, { readonly version: number }>(tree.roles);
  files.set('root', root).set('snapshot', snapshot);
  return [...written].every(([name, version]) => {
    const served = files.get(name)?.version;
    return served !== undefined && served >= version;
  });
}

function refused(
  gun: Repository,
  refusal: { code: CountersignError['code']; message: string },
): CountersignError {
  // Of a root that has ended there is nothing to sign again with this flag.
  const lapsed =
    refusal.code === 'TRUST_DATA_EXPIRED' && /^(?:targets|snapshot) /.test(refusal.message);
  // A server signs its timestamps by itself: this one has no key for them.
  const stopped = refusal.code === 'TRUST_DATA_EXPIRED' && refusal.message.startsWith('timestamp ');
  const advice = lapsed
    ? `; who holds its key signs it again as it is with: countersign sign --renew ${gun}:TAG, or countersign signer add --renew`
    : stopped
      ? `; where it was taken over from a server that is gone, its owner gives this one keys with: countersign root rotate --server-keys --expired-timestamp ${gun}`
      : '';
  return new CountersignError(
    refusal.code,
    `the trust data of ${gun} cannot be believed: ${refusal.message}${advice}`,
  );
}

function gone({ server, cache }: TrustSession, gun: Repository): CountersignError {
  return new CountersignError(
    'NO_TRUST_DATA',
    `${server.host} does not have trust data for ${gun} any more, and this machine has seen some; if it was deleted on purpose, remove ${cache.folder(gun)} to begin anew`,
  );
}

function warn(session: TrustSession, { repository, gun }: LoadedTrust): void {
  for (const { what, ends, advice } of endingSoon(repository, session.clock())) {
    if (what.startsWith('targets')) continue;
    session.note(`the ${what} of ${gun} ends at ${ends.toISOString().slice(0, 10)}; ${advice}`);
  }
}
