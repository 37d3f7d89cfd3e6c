/** How the import of one repository ended. */
export type Outcome =
  /** All of it is here now. */
  | 'imported'
  /** An earlier state of it was here; what was new came along, be it only keys. */
  | 'updated'
  | 'unchanged'
  /** Nothing to take over, or not for this service; nothing was changed. */
  | 'skipped'
  /** It cannot be believed, read or stored; nothing was changed. */
  | 'refused';

/** What a person is told of one repository. */
export interface RepositoryReport {
  readonly gun: string;
  readonly outcome: Outcome;
  /** Why it was skipped or refused. */
  readonly reason: string | null;
  /** Files and lines of the changefeed that were stored. */
  readonly files: number;
  readonly changes: number;
  /** Tags that are signed now, and by whom besides the repository's administrator. */
  readonly tags: number;
  readonly signers: readonly string[];
  /** Digests that were signed once and are not now. */
  readonly signedBefore: number;
  /** Where the keys are that the server signs with: here, with the owner, or out of reach. */
  readonly keys: { readonly timestamp: KeyPlace; readonly snapshot: KeyPlace } | null;
  /** When clients stop to accept it unless the owner has changed to our keys; `null` where we hold them. */
  readonly readOnlyFrom: string | null;
  /** When the first root certificate ends. */
  readonly certificateEnds: string | null;
  readonly notes: readonly string[];
}

/** Where a key is; `missing` means that nobody here can sign with it. */
export type KeyPlace = 'here' | 'owner' | 'missing';

/** What an import did, or with `--dry-run` would do. */
export interface ImportReport {
  readonly source: string;
  readonly dryRun: boolean;
  readonly repositories: readonly RepositoryReport[];
  /** Those whose owners have to change keys before the service can go on with them. */
  readonly rotate: readonly string[];
}

/** A report of a repository of which nothing was stored. */
export function nothingStored(
  gun: string,
  outcome: 'skipped' | 'refused',
  reason: string,
): RepositoryReport {
  return {
    gun,
    outcome,
    reason,
    files: 0,
    changes: 0,
    tags: 0,
    signers: [],
    signedBefore: 0,
    keys: null,
    readOnlyFrom: null,
    certificateEnds: null,
    notes: [],
  };
}
