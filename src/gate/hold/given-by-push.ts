import { randomUUID } from 'node:crypto';
import { CountersignError } from '../../lib/errors.ts';
import { holdSuperseded, promoted, promotionIntended } from '../../log/hold-events.ts';
import type { Decision } from '../../policy/decision.ts';
import type { Hold, Store } from '../../store/store.ts';
import { moveHold } from './move.ts';

/**
 * Gives a tag by a trusted push. Where holds of the tag wait, the push takes its place in their
 * order with an intent of its own, so that none of them moves the tag back later, whatever crashes.
 * To be called under the tag's lock; `put` gives the tag and tells whether upstream took it. Throws
 * STORE_UNAVAILABLE, and what `put` throws.
 */
export async function givenByPush<T extends { readonly kind: string }>(
  store: Store,
  push: Omit<Hold, 'id' | 'state'>,
  decision: Decision,
  put: () => Promise<T>,
): Promise<T> {
  const { repository, tag } = push;
  const before = await store.holds({ repository, tag, states: ['waiting', 'promoting'] });
  if (before.length === 0) return put();
  const { holds } = await store.commit([{ kind: 'hold-add', hold: push, passing: true }]);
  const own = holds[0];
  if (own === undefined)
    throw new CountersignError('STORE_UNAVAILABLE', 'the store gave no hold back');
  const intent = promotionIntended(own, decision, push.pushedBy, randomUUID());
  await moveHold(store, own, 'waiting', 'promoting', intent);
  const outcome = await put();
  if (outcome.kind !== 'created') {
    const event = holdSuperseded(own, 'upstream refused the push');
    await moveHold(store, own, 'promoting', 'superseded', event);
    return outcome;
  }
  await moveHold(store, own, 'promoting', 'promoted', promoted(own));
  for (const hold of before.filter((one) => one.id !== own.id)) {
    const event = holdSuperseded(hold, 'a later trusted push gave the tag');
    await moveHold(store, hold, hold.state, 'superseded', event);
  }
  return outcome;
}
