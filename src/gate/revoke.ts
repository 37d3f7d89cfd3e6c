import { randomUUID } from 'node:crypto';
import { revocationUndone, revoked } from '../log/revocation-events.ts';
import type { Revocation } from '../store/store.ts';
import type { Caller } from './caller.ts';
import type { Gate } from './gate.ts';

/**
 * Withdraws trust, or takes a withdrawal back; recorded and in force before it returns. Returns the
 * number of the record in the `sig` log. Throws STORE_UNAVAILABLE when it could not be made durable.
 */
export async function revoke(
  gate: Gate,
  revocation: Revocation,
  undo: boolean,
  caller: Caller,
): Promise<number> {
  const nonce = randomUUID();
  const event = undo
    ? revocationUndone(revocation, caller.name, nonce)
    : revoked(revocation, caller.name, nonce);
  try {
    const { events } = await gate.ports.store.commit([
      { kind: undo ? 'unrevoke' : 'revoke', revocation, by: caller.name },
      { kind: 'event', event },
    ]);
    return events[0]?.index ?? 0;
  } finally {
    // From here on every older verdict is keyed by an older trust revision and cannot be found any
    // more. Also after a failure: the store may have taken what it could not confirm.
    await gate.ports.trust.refresh();
  }
}
