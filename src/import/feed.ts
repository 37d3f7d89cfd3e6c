import type { Repository } from '../oci/reference.ts';
import type { TrustChange } from '../store/trust-data.ts';
import type { NotarySource, SourceChange } from './source.ts';
import type { ImportReads } from './target.ts';

/** Lines of the service that are asked for together: most of another server's have no neighbours here. */
const PAGE = 32;
/** Lines that are stored together. */
const BATCH = 10_000;
/** Ids have 32 bits in every consumer: half of them are left to what comes after an import. */
const MOST_ID = 2 ** 30;

/** The lines of a repository that are still to be taken over. */
export interface MissingLines {
  readonly count: number;
  /** In batches, one of them in memory at a time. */
  batches(): AsyncIterable<readonly TrustChange[]>;
}

/**
 * Compares the lines of a repository in another server's changefeed with the service's own. `null` where
 * an id belongs to another change here or to two there, or would leave too few to come, so that consumers
 * cannot keep their place in this repository's feed.
 */
export async function missingLines(
  source: Pick<NotarySource, 'changes'>,
  reads: ImportReads,
  repository: Repository,
): Promise<MissingLines | null> {
  let count = 0;
  let last = 0;
  for await (const state of compared(source.changes(repository), reads, repository)) {
    if (state === 'other') return null;
    if (state !== 'known') {
      count += 1;
      last = state.id;
    }
  }
  return { count, batches: () => missing(source.changes(repository), reads, repository, last) };
}

/** As they were compared before; what came since, at a server that runs, is for the next import. */
async function* missing(
  lines: AsyncIterable<SourceChange>,
  reads: ImportReads,
  repository: Repository,
  last: number,
): AsyncGenerator<readonly TrustChange[], void, undefined> {
  let batch: TrustChange[] = [];
  for await (const state of compared(lines, reads, repository)) {
    if (typeof state === 'string') continue;
    if (state.id > last) break;
    batch.push(state);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** Each line as it is to be stored, or what stands here under its id. */
async function* compared(
  lines: AsyncIterable<SourceChange>,
  reads: ImportReads,
  repository: Repository,
): AsyncGenerator<TrustChange | 'known' | 'other', void, undefined> {
  const here = new Window(reads);
  let before = 0;
  for await (const { id, version, sha256, category, time } of lines) {
    const change: TrustChange = { id, repository, version, sha256, category, time };
    const known = id <= before || id > MOST_ID ? 'other' : await here.at(id);
    before = id;
    if (known === null) yield change;
    else yield known !== 'other' && lineOf(known) === lineOf(change) ? 'known' : 'other';
  }
}

/** The service's feed, asked for in rising order. */
class Window {
  readonly #reads: ImportReads;
  #lines = new Map<number, TrustChange>();
  /** Up to where the lines are known. */
  #until = 0;

  constructor(reads: ImportReads) {
    this.#reads = reads;
  }

  async at(id: number): Promise<TrustChange | null> {
    if (id > this.#until) {
      const query = { repository: null, limit: PAGE, after: id - 1 };
      const page = await this.#reads.trustChanges(query);
      this.#lines = new Map(page.map((change) => [change.id, change]));
      this.#until = page.length < PAGE ? Number.POSITIVE_INFINITY : (page.at(-1)?.id ?? id);
    }
    return this.#lines.get(id) ?? null;
  }
}

const lineOf = ({ repository, version, sha256, category }: TrustChange): string =>
  `${repository} ${version} ${sha256} ${category}`;
