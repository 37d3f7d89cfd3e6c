import { randomUUID } from 'node:crypto';
import { trustReset } from '../log/trust-events.ts';
import type { Repository } from '../oci/reference.ts';
import type { Store, Write } from '../store/store.ts';
import { verifyRoot } from '../tuf/root-trust.ts';
import { adoptionOf } from './adopt.ts';
import { verifyPinned } from './evidence.ts';
import type { RepositoryState } from './repository-state.ts';
import { currentFile } from './repository-state.ts';

/**
 * What an administrator's reset writes: the pin and all that stood under it go, and the root that is
 * there now, if any, is pinned with what it says; where it is none, the next publish pins.
 * Rejects as the store does.
 */
export async function resetWrites(
  store: Store,
  repository: Repository,
  state: RepositoryState,
  by: { readonly actor: string; readonly reason: string; readonly now: Date },
): Promise<readonly Write[]> {
  const { actor, reason, now } = by;
  const root = await currentFile(store, repository, state, 'root');
  const event = trustReset({ repository, reason, root: root?.sha256 ?? null }, actor, randomUUID());
  const writes: Write[] = [
    { kind: 'event', event },
    { kind: 'trust-reset', repository },
  ];
  if (root === null) return writes;
  const pin = { root: root.bytes, seen: new Map<string, number>() };
  const verified = await verifyPinned(store, repository, state, pin, now);
  if (verified.ok) return [...writes, ...adoptionOf(repository, verified.value)];
  const alone = verifyRoot(root.bytes, { gun: repository, now, expiry: 'any' });
  return alone.ok ? [...writes, { kind: 'trust-pin', repository, pin }] : writes;
}
