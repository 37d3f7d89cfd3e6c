import { trustRepository } from '../history/trust-repositories.ts';
import type { Logger } from '../lib/logger.ts';
import type { Clock } from '../lib/time.ts';
import type { Repository } from '../oci/reference.ts';
import type { TrustReads } from '../store/trust-data.ts';

const DAY = 86_400_000;
/** How long before its end a root certificate is warned of: a root must be replaced before, not after (dct-protocol 2.9). */
const BOUNDS = { '0d': 0, '30d': 30 * DAY, '90d': 90 * DAY, '365d': 365 * DAY } as const;
/** How long a look at all roots counts, ms; they last ten years. */
const COUNTS_FOR = 600_000;
/** Repositories that a warning names. */
const NAMED = 20;

/** When root certificates end, over all repositories. */
export interface RootExpirySummary {
  /** The first end; `null` where there is no root. */
  readonly earliest: Date | null;
  /** How many end within each bound, those included that have ended. */
  readonly within: Readonly<Record<keyof typeof BOUNDS, number>>;
}

interface Look extends RootExpirySummary {
  /** Those that end within a year, the first ones. */
  readonly soon: readonly { readonly repository: Repository; readonly expires: Date }[];
}

/** Looks after the root certificates of all repositories: once one has ended, nobody can use or mend its repository. */
export class RootExpiry {
  readonly #store: Pick<TrustReads, 'trustPin' | 'trustRepositories'>;
  readonly #now: Clock;
  #look: Promise<Look> | null = null;
  #until = 0;

  constructor(store: Pick<TrustReads, 'trustPin' | 'trustRepositories'>, now: Clock) {
    this.#store = store;
    this.#now = now;
  }

  /** What the metrics show; looked up anew where the last look is older than ten minutes. Throws STORE_UNAVAILABLE. */
  async summary(): Promise<RootExpirySummary> {
    const now = this.#now().getTime();
    if (this.#look === null || now >= this.#until) {
      this.#until = now + COUNTS_FOR;
      this.#look = this.#walk(now);
    }
    try {
      return await this.#look;
    } catch (error) {
      this.#look = null;
      throw error;
    }
  }

  /** Says which repositories have a root certificate that ends within a year, the first ones by name. Throws STORE_UNAVAILABLE. */
  async warn(log: Logger): Promise<void> {
    const { within, soon } = await this.#walk(this.#now().getTime());
    for (const { repository, expires } of soon) {
      log.warn(
        { repository, expires: expires.toISOString() },
        'the root certificate of a repository ends within a year; its owner has to replace the root before (countersign root rotate REPOSITORY)',
      );
    }
    const more = within['365d'] - soon.length;
    if (more > 0)
      log.warn(
        { more },
        'more root certificates end within a year; GET /api/v1/repositories lists them',
      );
  }

  async #walk(now: number): Promise<Look> {
    const within = { '0d': 0, '30d': 0, '90d': 0, '365d': 0 };
    let soon: { repository: Repository; expires: Date }[] = [];
    let earliest: Date | null = null;
    for await (const { repository, root } of this.#all()) {
      const expires = root?.certificateExpires ?? null;
      if (expires === null) continue;
      if (earliest === null || expires < earliest) earliest = expires;
      for (const [bound, ms] of Object.entries(BOUNDS))
        if (expires.getTime() <= now + ms) within[bound as keyof typeof BOUNDS]++;
      if (expires.getTime() > now + BOUNDS['365d']) continue;
      soon = [...soon, { repository, expires }]
        .toSorted((a, b) => a.expires.getTime() - b.expires.getTime())
        .slice(0, NAMED);
    }
    return { earliest, within, soon };
  }

  async *#all(): AsyncGenerator<Awaited<ReturnType<typeof trustRepository>>> {
    let after: Repository | null = null;
    for (;;) {
      const page: readonly Repository[] = await this.#store.trustRepositories(after);
      for (const repository of page) yield await trustRepository(this.#store, repository);
      const last = page.at(-1);
      if (last === undefined) return;
      after = last;
    }
  }
}
