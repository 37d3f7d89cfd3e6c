import type { Result } from '../lib/result.ts';
import { refuse } from '../lib/result.ts';
import type { Repository } from '../oci/reference.ts';
import type { Store } from '../store/store.ts';
import type { TrustPin } from '../store/trust-data.ts';
import type { FormerKeys, TrustData } from '../trust/dct/trust-data.ts';
import type { TrustedRepository } from '../tuf/repository.ts';
import { verifyRepository } from '../tuf/repository.ts';
import { followRoots } from '../tuf/root-trust.ts';
import type { Root } from '../tuf/root.ts';
import { readRoot } from '../tuf/root.ts';
import { formerKeys } from './former-keys.ts';
import type { RepositoryState } from './repository-state.ts';
import { currentFile } from './repository-state.ts';

/** Roots that are followed from the pinned one to the newest. */
const ROOTS = 256;
// First what is wrong and what mends it: a refusal of the gate has room for no more.
const RESET = 'countersign root reset by an administrator accepts it';

/**
 * Verifies what a repository says now: from the pinned root to the newest one, then from the timestamp
 * down, none of it older than what was seen. That the timestamp is the server's own is why its date
 * says nothing here. For one caller at a time. Rejects as the store does.
 */
export async function verifyPinned(
  store: Store,
  repository: Repository,
  state: RepositoryState,
  pin: TrustPin | null,
  now: Date,
): Promise<Result<TrustedRepository>> {
  if (pin === null) return refuse('ROOT_NOT_PINNED', `no root is pinned; ${RESET}`);
  const root = await followPin(store, repository, state, pin, now);
  if (!root.ok) return root;
  const files = new Map<string, Uint8Array>();
  for (const role of state.files.keys()) {
    const file = await currentFile(store, repository, state, role);
    if (file !== null) files.set(role, file.bytes);
  }
  const given = { gun: repository, now, root: root.value, files, seen: pin.seen };
  const verified = verifyRepository({ ...given, mayHaveExpired: 'timestamp' });
  if (verified.ok || verified.refusal.code !== 'TRUST_DATA_ROLLBACK') return verified;
  return refuse(
    'TRUST_DATA_ROLLBACK',
    `older than what was seen; ${RESET} (${verified.refusal.message})`,
  );
}

async function followPin(
  store: Store,
  repository: Repository,
  state: RepositoryState,
  pin: TrustPin,
  now: Date,
): Promise<Result<Root>> {
  const read = readRoot(pin.root);
  const newest = await currentFile(store, repository, state, 'root');
  if (!read.ok || newest === null) return refuse('TRUST_DATA_INVALID', 'the root cannot be read');
  const pinned = read.value;
  const context = { gun: repository, now };
  if (Buffer.from(pin.root).equals(newest.bytes)) return followRoots(pinned, [], context);
  const other = (why: string): Result<never> =>
    refuse('ROOT_NOT_PINNED', `not the pinned root; ${RESET} (does not follow from it: ${why})`);
  const steps = newest.version - pinned.version;
  if (steps < 1 || steps > ROOTS) return other(`version ${newest.version} after ${pinned.version}`);
  const later: Uint8Array[] = [];
  for (let version = pinned.version + 1; version <= newest.version; version++) {
    const file = await store.trustFile(repository, 'root', { version });
    if (file === null) return other(`version ${version} is missing`);
    later.push(file.bytes);
  }
  const followed = followRoots(pinned, later, context);
  return followed.ok ? followed : other(followed.refusal.message);
}

/** Trust data with the questions to the record. */
export function trustDataOf(
  store: Store,
  repository: Repository,
  current: Result<TrustedRepository>,
): TrustData {
  let former: Promise<FormerKeys | null> | undefined;
  return {
    current,
    entriesOf: (digest, roles) => store.trustEntries(repository, digest, { roles }),
    async publishedAt(role, tag, digest) {
      const entries = await store.trustEntries(repository, digest, { roles: [role], tag });
      if (entries.length === 0) return null;
      // Where one of them may be of any time, so may all.
      return Math.min(...entries.map(({ publishedAt }) => publishedAt ?? 0)) || null;
    },
    formerKeys: async () => {
      former ??= current.ok
        ? formerKeys(store, repository, current.value.root.version)
        : Promise.resolve(null);
      // What went wrong this time may go right the next.
      former.catch(() => (former = undefined));
      return former;
    },
  };
}
