import { SingleFlight } from './single-flight.ts';

/**
 * Single flight for work that is done with somebody's rights. All who come with the same rights share
 * one piece of work; others wait for the first and take what came of it where `forAll` says that it
 * holds for everybody, else they do their own. So a hundred tokens cost one look, and nobody is
 * harmed by what another may not see.
 */
export class SharedFlight<T> {
  readonly #own = new SingleFlight<T>();
  readonly #first = new Map<string, { readonly who: string; readonly work: Promise<T> }>();
  readonly #forAll: (value: T) => boolean;

  constructor(forAll: (value: T) => boolean) {
    this.#forAll = forAll;
  }

  /** Joins the work running under `key`, or starts it with the rights that `who` stands for. */
  async run(key: string, who: string, work: () => Promise<T>): Promise<T> {
    const first = this.#first.get(key);
    if (first === undefined) return this.#start(key, who, work);
    if (first.who === who) return first.work;
    const value = await first.work.catch(() => undefined);
    if (value !== undefined && this.#forAll(value)) return value;
    return this.#own.run(`${key}\n${who}`, work);
  }

  #start(key: string, who: string, work: () => Promise<T>): Promise<T> {
    const started = work().finally(() => this.#first.delete(key));
    this.#first.set(key, { who, work: started });
    return started;
  }
}
