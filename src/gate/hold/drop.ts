import { holdSuperseded } from '../../log/hold-events.ts';
import type { Hold } from '../../store/store.ts';
import type { Caller } from '../access/caller.ts';
import type { Gate } from '../gate.ts';
import type { Refused } from '../outcome.ts';
import { refused } from '../outcome.ts';
import { moveHold } from './move.ts';

/**
 * Drops a waiting hold by a person's hand: its tag is not given any more by a signature. Who pushed it may,
 * and an administrator; no push ends another's (DESIGN 5). The manifest stays in the registry, by digest.
 * Resolves once it is on record; throws STORE_UNAVAILABLE, and STORE_CONFLICT where it expired meanwhile.
 */
export async function dropHold(gate: Gate, id: number, caller: Caller): Promise<Hold | Refused> {
  const { store, access } = gate.ports;
  const unknown = refused('MANIFEST_UNKNOWN', `no hold ${id} waits`);
  const hold = await store.hold(id);
  if (hold === null) return unknown;
  const { repository, tag, pushedBy } = hold;
  const pushes = access.may(caller, 'push', repository);
  const own = pushes && caller.authenticated && caller.name === pushedBy;
  if (!own && !access.may(caller, 'admin', repository)) {
    if (!pushes) return unknown;
    return refused(
      'FORBIDDEN',
      `hold ${id} of ${repository}:${tag} was pushed by ${pushedBy}; only they drop it, or who has admin`,
    );
  }
  return gate.tagLocks.run(`${repository}\n${tag}`, async () => {
    if ((await store.hold(id))?.state !== 'waiting') return unknown;
    const event = holdSuperseded(hold, 'dropped by hand', caller.name);
    await moveHold(store, hold, 'waiting', 'superseded', event);
    return hold;
  });
}
