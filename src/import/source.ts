import type { TrustFile } from '../store/trust-data.ts';

/** A file of a repository as the other server kept it. */
export interface SourceFile extends TrustFile {
  /** The hash that was kept beside it, lower-case hex; `null` in the oldest databases. */
  readonly sha256: string | null;
  /** When it was stored there, in milliseconds since the epoch; `null` where that is not known. */
  readonly createdAt: number | null;
}

/** A key of the other server, sealed as notary-signer keeps it (dct-protocol 6.3). */
export interface SourceKey {
  readonly id: string;
  /** Empty, as the role, for keys from before signers noted it. */
  readonly gun: string;
  readonly role: string;
  readonly algorithm: string;
  readonly keyWrap: string;
  readonly encryption: string;
  /** Names the passphrase. */
  readonly alias: string;
  /** The public half as TUF lists it, decoded. */
  readonly publicKey: Uint8Array;
  /** The private half as a compact JWE. */
  readonly sealed: string;
  /** Milliseconds since the epoch; `null` where it is not known. */
  readonly createdAt: number | null;
  readonly usedAt: number | null;
}

/** A line of the other server's changefeed. */
export interface SourceChange {
  readonly id: number;
  readonly gun: string;
  readonly version: number;
  /** Lower-case hex; empty for a deletion. */
  readonly sha256: string;
  readonly category: 'update' | 'deletion';
  /** Milliseconds since the epoch. */
  readonly time: number;
}

/** All that a source has of one repository. */
export interface SourceRepository {
  readonly files: readonly SourceFile[];
  /** Why nothing of it may be imported: rows that cannot be read, with their place. */
  readonly problem: string | null;
}

/** Where trust data are imported from. All of it is one consistent state. */
export interface NotarySource {
  /** What a report calls it; without passwords. */
  readonly name: string;
  /** True where it hands out the server's keys, sealed; false where only owners can give us new ones. */
  readonly hasKeys: boolean;
  /** What all its files take, in bytes, before any is read; `null` where that cannot be asked. */
  bytes(): Promise<number | null>;
  /** Every GUN, in order of name. */
  guns(): Promise<readonly string[]>;
  repository(gun: string): Promise<SourceRepository>;
  /** The keys that were made for the repository, and those with these ids. */
  keys(gun: string, ids: readonly string[]): Promise<readonly SourceKey[]>;
  /** The changefeed of a repository, line by line, may be asked for again; nothing where the source has none. */
  changes(gun: string): AsyncIterable<SourceChange>;
  close(): Promise<void>;
}
