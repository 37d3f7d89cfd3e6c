import { setTimeout as sleep } from 'node:timers/promises';
import { CountersignError } from '../../lib/errors.ts';
import type { Repository } from '../../oci/reference.ts';
import type { HeldKeys } from './held-keys.ts';
import { heldKeys } from './held-keys.ts';
import { endingSoon } from './expiry.ts';
import type { LoadedTrust } from './load.ts';
import { loadTrust } from './load.ts';
import type { TrustSession } from './session.ts';
import type { TrustEdit } from './submit.ts';
import { submit } from './submit.ts';

/** A change to a repository, worked out from what it is at the moment. */
export interface TrustChangeRequest {
  /** For a repository without trust data: begins it. Throws where it must be there. */
  readonly begin: () => Promise<'stored' | 'conflict'>;
  /** What to publish; `null` where all of it stands already. */
  readonly edit: (loaded: LoadedTrust, keys: HeldKeys) => Promise<TrustEdit | null>;
}

const ATTEMPTS = 8;
const PAUSE_MS = 150;

/**
 * Publishes a change, again from the newest state where somebody else was faster (dct-protocol 2 step 7):
 * of two who sign at once neither loses an entry. Nothing is staged on disk, so nothing is left behind.
 * Returns whether anything was written. Throws NO_TRUST_DATA, TRUST_UPDATE_CONFLICT, the refusal of trust
 * data that cannot be believed, and what signing and publishing throw.
 */
export async function changeTrust(
  session: TrustSession,
  gun: Repository,
  request: TrustChangeRequest,
): Promise<boolean> {
  const keys = heldKeys(session.keys, session.open);
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const loaded = await loadTrust(session, gun);
    if (loaded.kind === 'refused') throw refused(gun, loaded.refusal);
    if (loaded.kind === 'none' && loaded.pinned) throw gone(session, gun);
    let published: 'stored' | 'conflict';
    if (loaded.kind === 'none') {
      published = await request.begin();
    } else {
      const edit = await request.edit(loaded, keys);
      warn(session, loaded);
      if (edit === null) return false;
      published = await submit(session, keys, loaded, edit);
    }
    if (published === 'stored') {
      // What docker reads next from the cache is what was published now; and it can be read.
      const after = await loadTrust(session, gun);
      if (after.kind === 'refused') throw refused(gun, after.refusal);
      return true;
    }
    await sleep(PAUSE_MS * attempt * (0.5 + Math.random()));
  }
  throw new CountersignError(
    'TRUST_UPDATE_CONFLICT',
    `others published to ${gun} each time in ${ATTEMPTS} attempts; nothing was changed, try again`,
  );
}

function refused(
  gun: Repository,
  refusal: { code: CountersignError['code']; message: string },
): CountersignError {
  return new CountersignError(
    refusal.code,
    `the trust data of ${gun} cannot be believed: ${refusal.message}`,
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
