import type { Repository } from '../oci/reference.ts';
import type { StoredTrustFile, TrustChange } from '../store/trust-data.ts';
import type { TrustData } from '../trust/dct/trust-data.ts';
import type { UploadPart } from '../tuf/update-parts.ts';
import type { UpdateRefusal } from '../tuf/update-refusal.ts';
import type { Digest } from '../oci/digest.ts';

/** A publish: the parts as they were uploaded. */
export interface PublishRequest {
  readonly repository: Repository;
  readonly parts: readonly UploadPart[];
  /** Who publishes, for the record. */
  readonly actor: string;
  /** False where only a root that policy pins lets this caller begin a repository (no right to push). */
  readonly mayPush: boolean;
}

/** How a publish ended: durable, or refused in Notary's words with nothing stored. */
export type PublishOutcome =
  | {
      readonly ok: true;
      /** What is signed now and was not before: who waits for it can go on. */
      readonly signed: readonly Digest[];
    }
  | { readonly ok: false; readonly refusal: UpdateRefusal | { readonly code: 'FORBIDDEN' } };

/** A public key of the server's as TUF writes it. */
export interface PublicKeyJson {
  readonly keytype: 'ed25519' | 'ecdsa';
  readonly keyval: { readonly public: string; readonly private: null };
}

/** The roles whose keys the server may hold. */
export type ServerRole = 'snapshot' | 'timestamp';

/**
 * The Notary v1 service without its HTTP (dct-protocol 1 and 2): stores what clients sign byte for
 * byte, signs timestamps and, where it holds the key, snapshots. Throws STORE_UNAVAILABLE and its kin
 * where it cannot answer; what clients do wrong is a value.
 */
export interface Notary {
  publish(request: PublishRequest): Promise<PublishOutcome>;
  /**
   * True where a publish without the right to push may be accepted: policy pins the root of the repository,
   * and it has none. To be asked before an upload is read; `publish` asks again.
   */
  mayBegin(repository: Repository): Promise<boolean>;
  /**
   * The current file of a role, all of one consistent state, signed anew where it has expired; `null`
   * where there is none.
   */
  current(repository: Repository, role: string): Promise<StoredTrustFile | null>;
  /** Any file that was ever published, by hash (64 lower-case hex) or version (from 1). */
  stored(
    repository: Repository,
    role: string,
    which: { readonly version: number } | { readonly sha256: string },
  ): Promise<StoredTrustFile | null>;
  /** The key to list in a root: the one in use, else one that waits for its first use, else a new one. */
  key(repository: Repository, role: ServerRole): Promise<PublicKeyJson>;
  /** A key to rotate to: one that waits for its first use and is not listed now, else a new one. */
  rotateKey(repository: Repository, role: ServerRole): Promise<PublicKeyJson>;
  /** Deletes a repository's files; idempotent. The pin of its root stays. */
  remove(repository: Repository, actor: string): Promise<void>;
  /** Accepts whatever root the repository has or gets next: an administrator's act, recorded. */
  reset(repository: Repository, actor: string, reason: string): Promise<void>;
  /** See {@link TrustReads.trustChanges}. */
  changes(query: {
    readonly repository: Repository | null;
    readonly limit: number;
    readonly after?: number;
    readonly before?: number | null;
  }): Promise<readonly TrustChange[]>;
  /** The repository as evidence; `null` where it has no trust data. Remembered until it changes. */
  trustData(repository: Repository): Promise<TrustData | null>;
  /** What is wrong, by check; empty where all is well. */
  health(): Promise<Readonly<Record<string, string>>>;
}
