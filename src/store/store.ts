import type { JsonObject } from '../lib/json.ts';
import type { Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';

/** A recorded withdrawal of trust . */
export type Revocation =
  | {
      readonly kind: 'digest';
      readonly repository: Repository;
      readonly digest: Digest;
      readonly reason: string;
    }
  | {
      readonly kind: 'tag';
      readonly repository: Repository;
      readonly tag: string;
      readonly reason: string;
    }
  | { readonly kind: 'key'; readonly keyId: string; readonly reason: string };

/** Which record an event belongs to: `sig` is kept for ever, `dec` holds decisions (DESIGN section 2, "log"). */
export type LogName = 'sig' | 'dec';

/** An event that is to be recorded. */
export interface NewEvent {
  readonly log: LogName;
  /** `signature`, `revocation`, `revocation-undone`, `deny`, `allow`, `hold`, `promotion-intended`, `promoted`, `hold-expired`, `policy-loaded`, `exception-used`, `recovered`, … */
  readonly type: string;
  readonly repository: Repository | null;
  readonly tag: string | null;
  readonly digest: Digest | null;
  /** The authenticated identity, or `anonymous`, or `countersign` for what the service does by itself. */
  readonly actor: string;
  /** The rest, as canonical-JSON data (no fractions): policy, reason, findings, …; at most 12 KiB. */
  readonly data: JsonObject;
  /** 32 bytes; an event with the same key and the same content is the same event and is not stored twice. */
  readonly idempotencyKey: Uint8Array;
}

/** An event as stored. `body` is canonical JSON (RFC 8785) and is what a Merkle leaf will be made of. */
export interface StoredEvent extends Omit<NewEvent, 'idempotencyKey'> {
  /** Position among all events, dense from 1, in the order of commit: the cursor of `history`. */
  readonly sequence: number;
  /** Position in its log, dense from 0: the number that messages call "record". */
  readonly index: number;
  /** Milliseconds since the epoch, never before that of an earlier event. */
  readonly time: number;
  readonly body: Uint8Array;
}

/** Where a hold stands. */
export type HoldState = 'waiting' | 'promoting' | 'promoted' | 'expired' | 'superseded';

/** An unsigned push that was accepted but whose tag is not moved until the signature arrives. */
export interface Hold {
  /** Order of arrival, unique. */
  readonly id: number;
  readonly repository: Repository;
  readonly tag: string;
  readonly digest: Digest;
  readonly mediaType: string;
  /** The manifest's raw bytes. */
  readonly manifest: Uint8Array;
  readonly pushedBy: string;
  /** Milliseconds since the epoch. */
  readonly pushedAt: number;
  readonly expiresAt: number;
  readonly state: HoldState;
}

/** One change; a list of them is committed together or not at all. */
export type Write =
  | { readonly kind: 'event'; readonly event: NewEvent }
  /** Adds a hold in state `waiting`; the same (repository, tag, digest) still waiting is renewed in place. */
  | { readonly kind: 'hold-add'; readonly hold: Omit<Hold, 'id' | 'state'> }
  /** Moves a hold on; fails the whole list with STORE_CONFLICT unless it is in state `from`. */
  | {
      readonly kind: 'hold-move';
      readonly id: number;
      readonly from: HoldState;
      readonly to: HoldState;
    }
  /** Remembers that an index contains these children. */
  | {
      readonly kind: 'edges';
      readonly repository: Repository;
      readonly parent: Digest;
      readonly children: readonly Digest[];
    }
  /** Remembers that a manifest was pushed by digest or tag, for the right to read what is held. */
  | {
      readonly kind: 'pushed';
      readonly repository: Repository;
      readonly digest: Digest;
      readonly by: string;
      readonly at: number;
    }
  /** Puts a revocation in force; raises the trust revision. */
  | { readonly kind: 'revoke'; readonly revocation: Revocation; readonly by: string }
  /** Takes a revocation back (matching kind and names); raises the trust revision. */
  | { readonly kind: 'unrevoke'; readonly revocation: Revocation; readonly by: string };

/** What a commit gave: for each `event` its stored form, for each `hold-add` the hold, in the order written. */
export interface Committed {
  readonly events: readonly StoredEvent[];
  readonly holds: readonly Hold[];
}

/** Which events to list, newest first. */
export interface EventQuery {
  readonly repository?: Repository;
  readonly tag?: string;
  readonly digest?: Digest;
  readonly type?: string;
  readonly log?: LogName;
  readonly index?: number;
  /** Only events with a smaller sequence. */
  readonly before?: number;
  /** At most this many (1 to 1000). */
  readonly limit: number;
}

/**
 * The store. One process owns it. Guarantees: `commit` is atomic, ordered, and durable (fsync, and
 * the high-water file written) before its promise resolves; a failed commit changed nothing, or
 * rejects with STORE_UNAVAILABLE and is resolved by repeating it with the same idempotency keys.
 * Reads see every commit that resolved before they began. All methods reject with STORE_UNAVAILABLE
 * or STORAGE_FULL, never with an engine's own error.
 */
export interface Store {
  commit(writes: readonly Write[]): Promise<Committed>;
  events(query: EventQuery): Promise<readonly StoredEvent[]>;
  /** How many events each log holds. */
  counts(): Promise<Readonly<Record<LogName, number>>>;
  /** Holds of a repository (or all), in order of arrival; only those in the given states. */
  holds(filter: {
    readonly repository?: Repository;
    readonly tag?: string;
    readonly digest?: Digest;
    readonly states: readonly HoldState[];
  }): Promise<readonly Hold[]>;
  hold(id: number): Promise<Hold | null>;
  /** The indexes known to contain a manifest in this repository (at most 1000). */
  parents(repository: Repository, child: Digest): Promise<readonly Digest[]>;
  children(repository: Repository, parent: Digest): Promise<readonly Digest[]>;
  /** When a manifest was last pushed to the repository through the gate (ms), or `null`. */
  pushedAt(repository: Repository, digest: Digest): Promise<number | null>;
  /** All revocations in force. */
  revocations(): Promise<readonly (Revocation & { readonly by: string; readonly at: number })[]>;
  /** Raised by one with every change to revocations. */
  trustRevision(): Promise<number>;
  close(): Promise<void>;
}
