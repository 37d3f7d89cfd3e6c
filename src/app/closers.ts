import { messageOf } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';

/** What a service has opened: closed in the reverse order, whatever one of them says. */
export class Closers {
  readonly #list: (() => unknown)[] = [];

  /** Takes what closes a part that has just been opened. */
  add(close: () => unknown): void {
    this.#list.push(close);
  }

  /** Closes all; what cannot be closed is logged, and nothing is thrown. */
  async close(log: Logger): Promise<void> {
    for (const close of this.#list.toReversed()) {
      try {
        await close();
      } catch (error) {
        log.error({ error: messageOf(error) }, 'could not close a part of the service');
      }
    }
  }
}
