import type { StoredEvent } from './store.ts';

/** What a recovery is told: it goes into the record. */
export interface RecoverOptions {
  readonly data: string;
  /** Why the loss is accepted, in the words of whoever does it; at most 500 characters are kept. */
  readonly reason: string;
  /** Who does it. */
  readonly actor: string;
}

/** What a recovery did: nothing where the database was not behind. */
export type Recovery =
  | { readonly recovered: false }
  | {
      readonly recovered: true;
      /** How the database was behind. */
      readonly why: string;
      /** The event that records it. */
      readonly event: StoredEvent;
    };
