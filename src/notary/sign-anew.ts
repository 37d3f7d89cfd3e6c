import type { Repository } from '../oci/reference.ts';
import { buildServerFiles } from '../tuf/build-files.ts';
import { planRefresh } from '../tuf/refresh.ts';
import type { ListingRole } from '../tuf/listing.ts';
import type { NotaryPorts } from './ports.ts';
import type { RepositoryState } from './repository-state.ts';
import { listingOf } from './repository-state.ts';
import type { ServerKeys } from './server-keys.ts';
import { firstUses } from './server-keys.ts';

/** How long a repository that cannot be signed anew is not tried again, in milliseconds. */
const RETRY_MS = 60_000;

const stuck = new WeakMap<RepositoryState, number>();

/** True where one of these files has expired, as far as trying to sign it anew makes sense now. */
export function isStale(state: RepositoryState, now: Date, roles: readonly ListingRole[]): boolean {
  const ended = roles.some((role) => {
    const file = state.files.get(role);
    const listing = file === undefined ? null : listingOf(file, role);
    return listing !== null && listing.expires <= now;
  });
  return ended && (stuck.get(state) ?? 0) <= now.getTime();
}

/**
 * Signs a snapshot and a timestamp that have expired anew and stores them (dct-protocol 2.6); for one
 * caller at a time. False where the server cannot, because the root has ended or a key is not its own:
 * clients then see for themselves what has expired. Rejects with MASTER_KEY_WRONG, or as the store does.
 */
export async function signAnew(
  { store, clock, log }: Pick<NotaryPorts, 'store' | 'clock' | 'log'>,
  keys: ServerKeys,
  repository: Repository,
  state: RepositoryState,
): Promise<boolean> {
  const now = clock();
  const held = await keys.of(repository);
  const plan = planRefresh({
    gun: repository,
    now,
    stored: state.files,
    serverKeys: new Set(held.map(({ id }) => id)),
  });
  if (!plan.ok || plan.value === null) {
    stuck.set(state, now.getTime() + RETRY_MS);
    const why = plan.ok ? 'the key of the snapshot is its owner’s' : plan.refusal.message;
    log.warn({ repository, why }, 'trust data have expired and cannot be signed anew here');
    return false;
  }
  const files = await buildServerFiles(plan.value, (keyid) => keys.signer(held, keyid));
  await store.commit([
    { kind: 'trust-files', repository, files },
    { kind: 'server-key-used', ids: firstUses(plan.value, held) },
  ]);
  return true;
}
