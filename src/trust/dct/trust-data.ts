import type { Result } from '../../lib/result.ts';
import type { Digest } from '../../oci/digest.ts';
import type { StoredEntry } from '../../store/trust-data.ts';
import type { TrustedRepository } from '../../tuf/repository.ts';

/** Keys that the roots of a repository have listed, from the first one on, by the ids of the keys themselves. */
export interface FormerKeys {
  readonly root: ReadonlySet<string>;
  readonly targets: ReadonlySet<string>;
}

/** A repository's Notary v1 metadata as evidence. */
export interface TrustData {
  /**
   * What is signed now: verified from the root that the repository is held to, and not older than what
   * was seen; or why it cannot be believed. Its timestamp is the server's own and proves no freshness.
   */
  readonly current: Result<TrustedRepository>;
  /** Who said in one of these roles, now or before, that a digest is a tag here. */
  entriesOf(digest: Digest, roles: readonly string[]): Promise<readonly StoredEntry[]>;
  /** When an entry that stands now was published first (ms), as far as it is on record. */
  publishedAt(role: string, tag: string, digest: Digest): Promise<number | null>;
  /** Who could hand roles on at any time; `null` where not every root is there to tell. */
  formerKeys(): Promise<FormerKeys | null>;
}
