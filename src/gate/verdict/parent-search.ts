import { LRUCache } from 'lru-cache';
import { CountersignError, codeOf } from '../../lib/errors.ts';
import { mapParallel } from '../../lib/parallel.ts';
import { SingleFlight } from '../../lib/single-flight.ts';
import type { Clock } from '../../lib/time.ts';
import { splitRepository } from '../../oci/reference.ts';
import type { Artifacts } from '../content/artifacts.ts';
import type { ManifestFetcher } from '../content/fetch.ts';
import { readerOf } from '../content/reader.ts';
import type { Question } from './evaluate.ts';

/** Tags looked at, how many at a time, and how often in one repository (ms): nobody makes the registry work by asking. */
const TAGS = 50;
const WIDTH = 8;
const EVERY = 30_000;

/** Looks for indexes that came round the gate among a repository's tags, so that their links are learned. */
export class ParentSearch {
  readonly #now: Clock;
  readonly #artifacts: Artifacts;
  readonly #fetcher: ManifestFetcher;
  readonly #running = new SingleFlight<void>();
  readonly #done = new LRUCache<string, number>({ max: 10_000 });

  constructor(now: Clock, artifacts: Artifacts, fetcher: ManifestFetcher) {
    this.#now = now;
    this.#artifacts = artifacts;
    this.#fetcher = fetcher;
  }

  /**
   * Looks, unless it was done lately with the same rights: `false` then. Throws UPSTREAM_UNAVAILABLE
   * where a tag could not be read, and remembers nothing then: trouble is no "there is none" (T-57).
   */
  async look(question: Question): Promise<boolean> {
    const key = `${question.repository}\n${readerOf(question.registry, question.caller)}`;
    const now = this.#now().getTime();
    const last = this.#done.get(key);
    if (last !== undefined && now - last < EVERY) return false;
    await this.#running.run(key, async () => {
      await this.#learnTagged(question);
      this.#done.set(key, now);
    });
    return true;
  }

  async #learnTagged({ registry, repository, caller }: Question): Promise<void> {
    const { path } = splitRepository(repository);
    const tags = await registry.upstream.tags(path, TAGS, caller);
    const images = tags.filter((tag) => this.#artifacts.tagged(tag) === null);
    await mapParallel(images, WIDTH, async (tag) => {
      const head = await registry.upstream.head(path, tag, caller);
      if (head.kind === 'relay' && head.status === 429) throw limited();
      if (head.kind !== 'found') return;
      try {
        // Fetching learns the links; what cannot be parsed has no children.
        const answer = await this.#fetcher.fetch(registry, repository, head.digest, caller);
        if (answer.kind === 'relay' && answer.status === 429) throw limited();
      } catch (error) {
        if (!['MANIFEST_INVALID', 'JSON_INVALID', 'UPSTREAM_INVALID'].includes(codeOf(error)))
          throw error;
      }
    });
  }
}

const limited = (): CountersignError =>
  new CountersignError(
    'UPSTREAM_UNAVAILABLE',
    'the registry behind the gate limits requests; try again later',
  );
