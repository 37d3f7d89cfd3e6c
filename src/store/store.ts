import type { JsonObject } from '../lib/json.ts';
import type { Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
import type { TrustReads, TrustWrite } from './trust-data.ts';

/** A recorded withdrawal of trust. */
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

/** Which record an event belongs to: `sig` is kept for ever, `dec` holds decisions. */
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
  /**
   * 32 bytes. An event whose key is stored already is not stored twice: the stored one is returned.
   * Both must say the same in all but `actor` (the first to bring it stays), else the commit fails
   * with STORE_CONFLICT.
   */
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

/**
 * Where a hold stands. `waiting` moves to `promoting`, `expired` or `superseded`; `promoting` (the
 * durable intent) to `promoted`, back to `waiting`, or to `expired` or `superseded`; the other three
 * are final.
 */
export type HoldState = 'waiting' | 'promoting' | 'promoted' | 'expired' | 'superseded';

/** An unsigned push that was accepted but whose tag is not moved until the signature arrives. */
export interface Hold {
  /** Order of arrival, unique. */
  readonly id: number;
  readonly repository: Repository;
  readonly tag: string;
  readonly digest: Digest;
  readonly mediaType: string;
  /** The manifest's raw bytes; empty once the state is final, when nothing needs them any more. */
  readonly manifest: Uint8Array;
  readonly pushedBy: string;
  /** Milliseconds since the epoch. */
  readonly pushedAt: number;
  readonly expiresAt: number;
  readonly state: HoldState;
}

/** What a manifest was checked to be instead of an image. */
export interface ArtifactRecord {
  /** Under a signature tag; by its subject; or the list of referrers under a fallback tag. */
  readonly kind: 'signature' | 'referrer' | 'index';
  /** The tag; of a referrer, the digest of its subject. */
  readonly name: string;
  /** True while the repository has it as this and, as far as the gate knows, as nothing else. */
  readonly only: boolean;
}

/** One change; a list of them is committed together or not at all. */
export type Write =
  /** Records an event. One whose body exceeds 16 KiB fails the list with TOO_LARGE. */
  | { readonly kind: 'event'; readonly event: NewEvent }
  /**
   * Adds a hold in state `waiting`, or fails the list with STORAGE_FULL where 256 (or 32 MiB of
   * manifests) wait in the repository; the same (repository, tag, digest) still waiting is
   * renewed, with a new id where another push of the tag came in between (ids are the order of
   * arrival), and the same push (`pushedBy` and `pushedAt` too) is the hold that it made, wherever it stands.
   * `passing` is a push that waits for nothing and only takes its place in the order: no bound holds it up.
   */
  | {
      readonly kind: 'hold-add';
      readonly hold: Omit<Hold, 'id' | 'state'>;
      readonly passing?: boolean;
    }
  /**
   * Moves a hold on; fails the whole list with STORE_CONFLICT unless it is in state `from` and the
   * move is one that {@link HoldState} allows. In a repeated list, whose events are all stored
   * already, a hold that is in state `to` has been moved and is left alone.
   */
  | {
      readonly kind: 'hold-move';
      readonly id: number;
      readonly from: HoldState;
      readonly to: HoldState;
    }
  /** Remembers that an index contains these children (at most 1000). */
  | {
      readonly kind: 'edges';
      readonly repository: Repository;
      readonly parent: Digest;
      readonly children: readonly Digest[];
    }
  /** Remembers that a manifest was admitted now: of a child's parents it comes first (see {@link Store.parents}). */
  | { readonly kind: 'admitted'; readonly repository: Repository; readonly parent: Digest }
  /** Remembers that a manifest was pushed by digest or tag, for the right to read what is held. */
  | {
      readonly kind: 'pushed';
      readonly repository: Repository;
      readonly digest: Digest;
      readonly by: string;
      readonly at: number;
    }
  /**
   * Remembers what a manifest was checked to be; the later check replaces the earlier, but `only`
   * is never true again once it was false.
   */
  | {
      readonly kind: 'artifact';
      readonly repository: Repository;
      readonly digest: Digest;
      readonly artifact: ArtifactRecord;
    }
  /** Forgets that a manifest is anything but a manifest: it was deleted. */
  | { readonly kind: 'artifact-gone'; readonly repository: Repository; readonly digest: Digest }
  /** Puts a revocation in force and raises the trust revision; one that is in force already stays as it is. */
  | { readonly kind: 'revoke'; readonly revocation: Revocation; readonly by: string }
  /** Takes a revocation back (matching kind and names) and raises the trust revision; without one in force, nothing changes. */
  | { readonly kind: 'unrevoke'; readonly revocation: Revocation; readonly by: string }
  /** Changes trust data of Notary v1. */
  | TrustWrite;

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
 * The store. One process owns it.
 *
 * Guarantees: `commit` is atomic, ordered, and durable (fsync, and the high-water file written) before
 * its promise resolves. A commit that rejects with STORAGE_FULL, STORE_CONFLICT, TOO_LARGE or
 * REQUEST_INVALID changed nothing. One that rejects with STORE_UNAVAILABLE may have been stored:
 * repeating it with the same idempotency keys resolves it. One commit's failure is not another's.
 * Reads see every commit that resolved before they began. No method rejects with an engine's own error.
 */
export interface Store extends TrustReads {
  /** Stores the writes, all or none, in their order. At most 4096 commits wait; more are STORE_UNAVAILABLE. */
  commit(writes: readonly Write[]): Promise<Committed>;
  /** The newest events that match, newest first. A `tag` needs a `repository`. A stored event that was altered is STORE_UNAVAILABLE. */
  events(query: EventQuery): Promise<readonly StoredEvent[]>;
  /** How many events each log holds. */
  counts(): Promise<Readonly<Record<LogName, number>>>;
  /**
   * Holds of a repository (or all), in order of arrival; only those in the given states; at most 1000,
   * and no more than 64 MiB of manifests.
   */
  holds(filter: {
    readonly repository?: Repository;
    readonly tag?: string;
    readonly digest?: Digest;
    readonly states: readonly HoldState[];
    /** Only holds with a larger id: for the next of them. */
    readonly after?: number;
  }): Promise<readonly Hold[]>;
  /** How many holds wait. */
  waiting(): Promise<number>;
  hold(id: number): Promise<Hold | null>;
  /**
   * The manifests known to contain a digest in this repository (at most 1000): those that were
   * admitted, the last one first; then the others, as long as they are known, the oldest first.
   */
  parents(repository: Repository, child: Digest): Promise<readonly Digest[]>;
  /** The manifests that an index is known to contain (at most 1000). */
  children(repository: Repository, parent: Digest): Promise<readonly Digest[]>;
  /** When a manifest was last pushed to the repository through the gate (ms), or `null`. */
  pushedAt(repository: Repository, digest: Digest): Promise<number | null>;
  /** What a manifest of the repository was checked to be instead of an image, or `null`. */
  artifact(repository: Repository, digest: Digest): Promise<ArtifactRecord | null>;
  /** All revocations in force, oldest first. */
  revocations(): Promise<readonly (Revocation & { readonly by: string; readonly at: number })[]>;
  /** Raised by one with every change to revocations, a reset of trust data, and by a recovery; never goes back. */
  trustRevision(): Promise<number>;
  /** Waits for the commits that were accepted, then lets go of the store. Later calls reject with STORE_UNAVAILABLE. */
  close(): Promise<void>;
}
