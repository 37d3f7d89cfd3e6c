import type { Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';

/** A file of a Notary v1 repository, byte for byte as it was signed. */
export interface TrustFile {
  /** `root`, `targets`, `targets/<name>`, `snapshot` or `timestamp`. */
  readonly role: string;
  readonly version: number;
  readonly bytes: Uint8Array;
}

/** A file as it is kept. */
export interface StoredTrustFile extends TrustFile {
  /** Lower-case hex SHA-256 of the bytes. */
  readonly sha256: string;
  /** Milliseconds since the epoch. */
  readonly storedAt: number;
}

/**
 * What one key said in a file that was verified when it was published: that a tag is a digest. Kept
 * after the tag has moved on: a digest once trusted may stay so (`digests: any`).
 */
export interface SignedEntry {
  readonly role: string;
  readonly tag: string;
  readonly digest: Digest;
  /** The key that signed the role's file: lower-case hex SHA-256 of its SubjectPublicKeyInfo. */
  readonly keyId: string;
}

/** As {@link SignedEntry}, with the time of its first publish elsewhere (ms since the epoch); `null` where that is not known. */
export interface ImportedEntry extends SignedEntry {
  readonly publishedAt: number | null;
}

/** What a file of a targets role says: the hex SHA-256 of what is signed in it, in its canonical form. */
export interface SignedStatement {
  readonly role: string;
  readonly sha256: string;
}

/** As {@link SignedEntry}, with the publish that brought it: a later one that only repeats it changes nothing. */
export interface StoredEntry extends SignedEntry {
  /** Milliseconds since the epoch; `null` where it came from another server that does not tell. */
  readonly publishedAt: number | null;
}

/** A key of the server's own, for one repository. */
export interface ServerKey {
  /** Notary's key id, as roots list it. */
  readonly id: string;
  readonly repository: Repository;
  readonly role: 'snapshot' | 'timestamp';
  readonly algorithm: 'ed25519' | 'ecdsa';
  /** As TUF writes it (`keyval.public`, base64). */
  readonly publicKey: string;
  /** The private half as a compact JWE under the master key; never anything else. */
  readonly sealed: string;
  readonly createdAt: number;
  /** When it signed first; `null`: it is still to be listed by a root. */
  readonly usedAt: number | null;
}

/** One line of the changefeed. */
export interface TrustChange {
  /** Dense from 1 over all repositories, unless imported; the consumers' cursor. */
  readonly id: number;
  readonly repository: Repository;
  /** Of the timestamp; 0 for a deletion. */
  readonly version: number;
  /** Hex SHA-256 of the timestamp; empty for a deletion. */
  readonly sha256: string;
  readonly category: 'update' | 'deletion';
  readonly time: number;
}

/** The root that a repository is held to, and the newest version of each role that was believed under it. Outlives deletion. */
export interface TrustPin {
  readonly root: Uint8Array;
  readonly seen: ReadonlyMap<string, number>;
}

/** Changes to trust data; each is atomic with the others of its commit. */
export type TrustWrite =
  /**
   * Stores files, all or none; of one role there may be several versions, in rising order. Fails the
   * list with STORE_CONFLICT where a file of the role with the same or a later version is there, and
   * with TOO_LARGE over the bounds of a file or a repository. Each timestamp among them adds one change
   * to the feed, unless they are `imported` with their feed (`trust-changes`). In a repeated list, whose
   * events are all stored already, files that are there with the same bytes are left alone.
   */
  | {
      readonly kind: 'trust-files';
      readonly repository: Repository;
      readonly files: readonly TrustFile[];
      readonly imported?: true;
    }
  /**
   * Remembers who signed what, from now on or since it was published elsewhere; what is there already keeps its
   * time. Of one digest by one key in one role the newest 1024 tags stay.
   */
  | {
      readonly kind: 'trust-entries';
      readonly repository: Repository;
      readonly entries: readonly (SignedEntry | ImportedEntry)[];
    }
  /**
   * Notes for which role of which repository statements were made: the hex SHA-256 of what is signed in a targets role's
   * file, in its canonical form. Fails the list with STORE_CONFLICT where one was made for another, but for
   * `imported` ones, of which the first stays. Outlives deletion and reset.
   */
  | {
      readonly kind: 'trust-statements';
      readonly repository: Repository;
      readonly statements: readonly SignedStatement[];
      readonly imported?: true;
    }
  /** Sets the pin; versions in `seen` never go down. */
  | { readonly kind: 'trust-pin'; readonly repository: Repository; readonly pin: TrustPin }
  /** Deletes the files (not pin, keys or entries), with a deletion in the feed if there were any. */
  | { readonly kind: 'trust-delete'; readonly repository: Repository }
  /** Forgets pin, versions and entries: an administrator accepts another root. Raises the trust revision. */
  | { readonly kind: 'trust-reset'; readonly repository: Repository }
  /**
   * Adds a key. One that is there already stays as it is; STORE_CONFLICT where its id belongs to
   * another repository, role or public half.
   */
  | { readonly kind: 'server-key'; readonly key: ServerKey }
  /** Notes that keys have signed; the first time stays. */
  | { readonly kind: 'server-key-used'; readonly ids: readonly string[] }
  /** Replaces the sealed halves: the master key was changed. Fails with STORE_CONFLICT for an id that is not there. */
  | {
      readonly kind: 'server-key-sealed';
      readonly keys: readonly Pick<ServerKey, 'id' | 'repository' | 'sealed'>[];
    }
  /** Takes over a feed of another server with its ids, which consumers hold; the same id again must say the same. */
  | { readonly kind: 'trust-changes'; readonly changes: readonly TrustChange[] };

/** Questions to trust data; each is answered from one consistent state. */
export interface TrustReads {
  /** The newest file of each role, by role; empty where the repository has none. */
  trustFiles(repository: Repository): Promise<ReadonlyMap<string, StoredTrustFile>>;
  /** One file, also an old one, by version or by hash; `null` where there is none. */
  trustFile(
    repository: Repository,
    role: string,
    which: { readonly version: number } | { readonly sha256: string },
  ): Promise<StoredTrustFile | null>;
  /** Repositories that have files or a pin, in order, after the given one; at most 1000. */
  trustRepositories(after: Repository | null): Promise<readonly Repository[]>;
  trustPin(repository: Repository): Promise<TrustPin | null>;
  /**
   * Who said of a digest that it is a tag, the newest first, at most 1000; only what these roles said, and
   * of one tag. Of each key in each role the newest 64 at most, and the newest of all before more of any:
   * whoever signs a digest under thousands of tags hides nobody else's word.
   */
  trustEntries(
    repository: Repository,
    digest: Digest,
    of?: { readonly roles: readonly string[]; readonly tag?: string },
  ): Promise<readonly StoredEntry[]>;
  /** The repository and the role that a statement was published for first; `null`: for none. */
  trustStatement(
    sha256: string,
  ): Promise<{ readonly repository: Repository; readonly role: string } | null>;
  /** The server's keys of a repository, the oldest first (at most 1000); `null`: of all, by id, at most 1000 after the given one. */
  serverKeys(repository: Repository | null, after?: string): Promise<readonly ServerKey[]>;
  /**
   * The feed, oldest first, at most 1000: those with an id above `after`; or, with `before`, the last
   * ones below it (`null`: the very last).
   */
  trustChanges(query: {
    readonly repository: Repository | null;
    readonly limit: number;
    readonly after?: number;
    readonly before?: number | null;
  }): Promise<readonly TrustChange[]>;
}
