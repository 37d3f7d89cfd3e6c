import type { Hold, HoldState, NewEvent, Store } from '../../store/store.ts';

/** Moves a hold on and records it, both or neither. Throws STORE_CONFLICT where it is not in state `from` any more. */
export async function moveHold(
  store: Store,
  hold: Pick<Hold, 'id'>,
  from: HoldState,
  to: HoldState,
  event: NewEvent,
): Promise<void> {
  await store.commit([
    { kind: 'hold-move', id: hold.id, from, to },
    { kind: 'event', event },
  ]);
}

/** True where a later push of the hold's tag was given, or is about to be: the hold must not take its place. */
export async function laterWasGiven(store: Store, { id, repository, tag }: Hold): Promise<boolean> {
  const states = ['promoted', 'promoting'] as const;
  return (await store.holds({ repository, tag, states, after: id })).length > 0;
}
