import type { Repository } from '../oci/reference.ts';
import type { TrustChange } from '../store/trust-data.ts';
import type { SourceChange } from './source.ts';
import type { ImportReads } from './target.ts';

const PAGE = 1000;
/** Ids have 32 bits in every consumer: half of them are left to what comes after an import. */
const MOST_ID = 2 ** 30;

/** The changefeed of the service, by which it is told whether another server's lines can keep their ids. */
export class Feed {
  readonly #lines: Map<number, string>;

  private constructor(lines: Map<number, string>) {
    this.#lines = lines;
  }

  /** Reads the feed as it is. */
  static async read(store: ImportReads): Promise<Feed> {
    const lines = new Map<number, string>();
    for (let after = 0; ;) {
      const page = await store.trustChanges({ repository: null, limit: PAGE, after });
      for (const change of page) lines.set(change.id, lineOf(change));
      const last = page.at(-1);
      if (last === undefined) return new Feed(lines);
      after = last.id;
    }
  }

  /**
   * The lines that are still to be taken over. `null` where an id belongs to another change here, or
   * would leave too few to come, so that consumers cannot keep their place in this repository's feed.
   */
  missing(repository: Repository, changes: readonly SourceChange[]): readonly TrustChange[] | null {
    const out: TrustChange[] = [];
    for (const { id, version, sha256, category, time } of changes) {
      const change: TrustChange = { id, repository, version, sha256, category, time };
      if (id > MOST_ID) return null;
      const known = this.#lines.get(id);
      if (known === undefined) out.push(change);
      else if (known !== lineOf(change)) return null;
    }
    return out;
  }

  /** Takes note of lines that were stored. */
  add(changes: readonly TrustChange[]): void {
    for (const change of changes) this.#lines.set(change.id, lineOf(change));
  }
}

const lineOf = ({ repository, version, sha256, category }: TrustChange): string =>
  `${repository} ${version} ${sha256} ${category}`;
