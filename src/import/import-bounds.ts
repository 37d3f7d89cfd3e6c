import { CountersignError } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';

/** What a file takes in memory besides its bytes. */
const OVERHEAD = 512;

/** What the files of one repository take, as far as they were counted. */
export class RepositorySize {
  readonly #most: number;
  #bytes = 0;

  /** Counts from nothing up to a bound. */
  constructor(most: number = LIMITS.importRepositoryBytes) {
    this.#most = most;
  }

  /** Counts a file; why the repository is too large, once it is, else `null`. */
  add(length: number): string | null {
    this.#bytes += length + OVERHEAD;
    return sizeProblem(this.#bytes, this.#most);
  }
}

/** What a database sums up as {@link RepositorySize} does: a repository that is too large is not read first. */
export const SIZE_SQL = `sum(octet_length(data) + ${OVERHEAD})::text`;

/** Why a repository whose files take as many bytes is too large, else `null`. */
export function sizeProblem(
  bytes: number,
  most: number = LIMITS.importRepositoryBytes,
): string | null {
  if (bytes <= most) return null;
  return `expected at most ${most} bytes in all versions of its files, which are stored in one commit, found more; make a copy of the database, delete the oldest rows of its timestamp, snapshot and targets there (all of root have to stay), and import that`;
}

/** IMPORT_UNREADABLE for a source with more repositories than one import takes. */
export function tooManyRepositories(): CountersignError {
  return new CountersignError(
    'IMPORT_UNREADABLE',
    `expected at most ${LIMITS.importRepositories} repositories in one import, found more; name some of them, and then others`,
  );
}
