import { randomUUID } from 'node:crypto';
import { revocationUndone, revoked } from '../../log/revocation-events.ts';
import type { Revocation, Store } from '../../store/store.ts';
import type { Caller } from '../access/caller.ts';
import type { TrustState } from './trust-state.ts';

/**
 * Withdraws trust, or takes a withdrawal back; recorded and in force before it returns. Returns the
 * number of the record in the `sig` log. Throws STORE_UNAVAILABLE when it could not be made durable.
 */
export async function revoke(
  { store, trust }: { readonly store: Store; readonly trust: TrustState },
  revocation: Revocation,
  undo: boolean,
  caller: Caller,
): Promise<number> {
  const nonce = randomUUID();
  const event = undo
    ? revocationUndone(revocation, caller.name, nonce)
    : revoked(revocation, caller.name, nonce);
  try {
    const { events } = await store.commit([
      { kind: undo ? 'unrevoke' : 'revoke', revocation, by: caller.name },
      { kind: 'event', event },
    ]);
    return events[0]?.index ?? 0;
  } finally {
    // From here on every older verdict is keyed by an older trust revision and cannot be found any
    // more. Also after a failure: the store may have taken what it could not confirm.
    await trust.refresh();
  }
}
