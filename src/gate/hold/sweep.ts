import { messageOf } from '../../lib/errors.ts';
import type { Repository } from '../../oci/reference.ts';
import type { Hold } from '../../store/store.ts';
import type { Gate } from '../gate.ts';
import type { GateRegistry } from '../ports.ts';
import { expire, lookAfter, replay } from './promote.ts';

/** Between two looks at what waits, ms; and between two looks for signatures that came round the gate. */
const SWEEP_EVERY = 5_000;
const REJUDGE_EVERY = 30_000;
/** Holds judged in one look, at most; the next look goes on where this one stopped. */
const REJUDGE_AT_ONCE = 100;

/** Looks after holds: replays intents, ends what is over, notices signatures that came round the gate. */
export class Sweeper {
  readonly #gate: Gate;
  readonly #registryOf: (repository: Repository) => GateRegistry | null;
  #timer: NodeJS.Timeout | undefined;
  #sweeping: Promise<void> = Promise.resolve();
  #rejudgedAt = 0;
  #rejudgedTo = 0;

  constructor(gate: Gate, registryOf: (repository: Repository) => GateRegistry | null) {
    this.#gate = gate;
    this.#registryOf = registryOf;
  }

  /** Replays intents that a crash left behind, then looks after what waits until {@link close}. */
  start(): void {
    const tick = (): void => {
      this.#sweeping = this.#sweep().catch((error: unknown) => {
        const fields = { error: messageOf(error) };
        this.#gate.ports.log.warn(fields, 'could not look after holds; will try again');
      });
      void this.#sweeping.then(() => {
        this.#timer = setTimeout(tick, SWEEP_EVERY);
        this.#timer.unref();
      });
    };
    tick();
  }

  /** Stops looking; resolves when the look under way is over. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#sweeping;
    clearTimeout(this.#timer);
  }

  async #sweep(): Promise<void> {
    const at = this.#gate.ports.now().getTime();
    for await (const hold of this.#all('promoting')) {
      const registry = this.#registryOf(hold.repository);
      if (registry !== null) await replay(this.#gate, registry, hold);
    }
    const rejudge = at - this.#rejudgedAt >= REJUDGE_EVERY;
    if (rejudge) this.#rejudgedAt = at;
    let judged = 0;
    let last = 0;
    for await (const hold of this.#all('waiting')) {
      if (hold.expiresAt <= at) {
        await expire(this.#gate, hold, 'waiting');
      } else if (rejudge && hold.id > this.#rejudgedTo && judged < REJUDGE_AT_ONCE) {
        // Signatures may also have been put into the registry behind the gate's back.
        judged++;
        last = hold.id;
        const registry = this.#registryOf(hold.repository);
        if (registry !== null) await lookAfter(this.#gate, registry, hold);
      }
    }
    if (rejudge) this.#rejudgedTo = judged < REJUDGE_AT_ONCE ? 0 : last;
  }

  /** All holds in a state, in order of arrival, page by page: the store gives a bounded number at once. */
  async *#all(state: Hold['state']): AsyncGenerator<Hold> {
    let after = 0;
    for (;;) {
      const page = await this.#gate.ports.store.holds({ states: [state], after });
      yield* page;
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.id;
    }
  }
}
