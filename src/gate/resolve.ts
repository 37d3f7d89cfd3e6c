import { LRUCache } from 'lru-cache';
import { SingleFlight } from '../lib/single-flight.ts';
import type { Clock } from '../lib/time.ts';
import type { Repository } from '../oci/reference.ts';
import { splitRepository } from '../oci/reference.ts';
import type { Caller } from './caller.ts';
import type { GateRegistry } from './ports.ts';
import type { HeadAnswer } from './upstream.ts';

/** How long a tag's digest is remembered, ms: long enough for a burst, short enough for nobody to notice. */
const REMEMBER = 1_000;

/** Turns tags into digests: one HEAD upstream per credential, single flight, remembered for a second. */
export class TagResolver {
  readonly #now: Clock;
  readonly #flights = new SingleFlight<HeadAnswer>();
  readonly #recent = new LRUCache<string, { readonly answer: HeadAnswer; readonly at: number }>({
    max: 10_000,
  });
  readonly #epochs = new LRUCache<string, number>({ max: 10_000 });

  constructor(now: Clock) {
    this.#now = now;
  }

  async resolve(
    registry: GateRegistry,
    repository: Repository,
    tag: string,
    caller: Caller,
  ): Promise<HeadAnswer> {
    const name = `${repository}\n${tag}`;
    // A push through the gate starts a new epoch: nobody joins a look that began before it.
    const key = `${name}\n${caller.credentialKey}\n${this.#epochs.get(name) ?? 0}`;
    const recent = this.#recent.get(key);
    if (recent !== undefined && this.#now().getTime() - recent.at < REMEMBER) return recent.answer;
    return this.#flights.run(key, async () => {
      const answer = await registry.upstream.head(splitRepository(repository).path, tag, caller);
      if (answer.kind !== 'relay') this.#recent.set(key, { answer, at: this.#now().getTime() });
      return answer;
    });
  }

  /** Forgets a tag: it was just given, moved or deleted through the gate. */
  forget(repository: Repository, tag: string): void {
    const name = `${repository}\n${tag}`;
    this.#epochs.set(name, (this.#epochs.get(name) ?? 0) + 1);
  }
}
