import { LRUCache } from 'lru-cache';
import { Epochs } from '../../lib/epochs.ts';
import { SingleFlight } from '../../lib/single-flight.ts';
import type { Clock } from '../../lib/time.ts';
import type { Repository } from '../../oci/reference.ts';
import { splitRepository } from '../../oci/reference.ts';
import type { Caller } from '../access/caller.ts';
import type { GateRegistry } from '../ports.ts';
import type { HeadAnswer } from '../upstream/upstream.ts';
import { readerOf } from './reader.ts';

/** How long a tag's digest is remembered, ms: long enough for a burst, short enough for nobody to notice. */
const REMEMBER = 1_000;

/** Told of every answer of upstream once, with the time (ms) when it was asked. */
export type OnAnswer = (
  answer: HeadAnswer,
  caller: Caller,
  repository: Repository,
  asked: number,
) => void;

/** Turns tags into digests: one HEAD upstream per credential, single flight, remembered for a second. */
export class TagResolver {
  readonly #now: Clock;
  readonly #onAnswer: OnAnswer;
  readonly #flights = new SingleFlight<HeadAnswer>();
  readonly #recent = new LRUCache<string, { readonly answer: HeadAnswer; readonly at: number }>({
    max: 10_000,
  });
  readonly #epochs = new Epochs();

  constructor(now: Clock, onAnswer: OnAnswer = () => undefined) {
    this.#now = now;
    this.#onAnswer = onAnswer;
  }

  /** What upstream says that a tag, or a digest, is. Throws where it cannot be asked. */
  async resolve(
    registry: GateRegistry,
    repository: Repository,
    reference: string,
    caller: Caller,
  ): Promise<HeadAnswer> {
    const name = `${repository}\n${reference}`;
    // A push through the gate starts a new epoch: nobody joins a look that began before it.
    const key = `${name}\n${readerOf(registry, caller)}\n${this.#epochs.of(name)}`;
    const recent = this.#recent.get(key);
    if (recent !== undefined && this.#now().getTime() - recent.at < REMEMBER) return recent.answer;
    return this.#flights.run(key, async () => {
      const asked = this.#now().getTime();
      const { path } = splitRepository(repository);
      const answer = await registry.upstream.head(path, reference, caller);
      // Here and not by those who ask: what is remembered for a second must not make a yes younger.
      if (registry.upstreamJudges) this.#onAnswer(answer, caller, repository, asked);
      if (answer.kind !== 'relay') this.#recent.set(key, { answer, at: this.#now().getTime() });
      return answer;
    });
  }

  /** Forgets a tag or digest: it was just given, moved or deleted through the gate. */
  forget(repository: Repository, reference: string): void {
    this.#epochs.next(`${repository}\n${reference}`);
  }
}
