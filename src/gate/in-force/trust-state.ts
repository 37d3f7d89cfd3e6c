import type { Revocation, Store } from '../../store/store.ts';

/** The revocations in force and the revision that counts their changes, in memory, fed by the one writer. */
export interface TrustState {
  revocations(): readonly Revocation[];
  /** Part of every verdict's cache key: a revocation makes all older verdicts unusable at once. */
  revision(): number;
  /** Reads the store again; to be awaited after every commit that revokes or takes back. */
  refresh(): Promise<void>;
}

/** Loads the revocations; throws STORE_UNAVAILABLE when the store cannot say. */
export async function openTrustState(store: Store): Promise<TrustState> {
  let revocations: readonly Revocation[] = [];
  let revision = 0;
  let last: Promise<void> = Promise.resolve();
  const read = async (): Promise<void> => {
    // Revision last: until it changes, cached verdicts stand on the older list they were made with.
    const list = await store.revocations();
    const now = await store.trustRevision();
    revocations = list;
    revision = now;
  };
  const state: TrustState = {
    revocations: () => revocations,
    revision: () => revision,
    refresh() {
      // One after the other: an older look must not undo a newer one.
      const mine = last.then(read);
      last = mine.catch(() => undefined);
      return mine;
    },
  };
  await state.refresh();
  return state;
}
