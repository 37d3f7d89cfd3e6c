import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { CountersignError } from '../lib/errors.ts';
import { threadEnvironment } from '../lib/thread-environment.ts';

/** A password to be checked, for the thread. */
export interface BcryptRequest {
  readonly id: number;
  readonly password: string;
  readonly hash: string;
}

/** What the thread found. */
export interface BcryptReply {
  readonly id: number;
  readonly matches: boolean;
}

interface Waiting {
  resolve(matches: boolean): void;
  reject(error: Error): void;
}

/** More checks than this wait for nobody: at tens of milliseconds each the last would wait too long. */
const QUEUE = 64;

/**
 * Checks bcrypt hashes one after the other on a thread of its own. The thread starts with the first
 * check, and anew after a failure.
 */
export class Bcrypt {
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #next = 0;

  /**
   * True where the password gives the hash. Half of the places are for checks that are `expected` to
   * succeed. Throws CANNOT_AUTHENTICATE where too many checks wait or the thread failed.
   */
  check(password: string, hash: string, expected: boolean): Promise<boolean> {
    if (this.#waiting.size >= (expected ? QUEUE : QUEUE / 2)) {
      return Promise.reject(unavailable('too many logins at once; repeat in a moment'));
    }
    const worker = (this.#worker ??= this.#start());
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      const request: BcryptRequest = { id, password, hash };
      worker.postMessage(request);
    });
  }

  /** Ends the thread; checks under way fail. */
  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): Worker {
    // The thread runs from the same kind of file as this one: .ts in a checkout, .js when built.
    const file = new URL(`./bcrypt-worker${extname(import.meta.url)}`, import.meta.url);
    const worker = new Worker(file, {
      execArgv: [],
      env: threadEnvironment(),
      name: 'passwords',
    });
    // An idle thread must not keep the process alive.
    worker.unref();
    worker.on('message', ({ id, matches }: BcryptReply) => {
      this.#waiting.get(id)?.resolve(matches);
      this.#waiting.delete(id);
    });
    worker.on('error', () => this.#lost(worker));
    worker.on('exit', () => this.#lost(worker));
    return worker;
  }

  #lost(worker: Worker): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const one of waiting) one.reject(unavailable('the password could not be checked'));
  }
}

function unavailable(message: string): CountersignError {
  return new CountersignError('CANNOT_AUTHENTICATE', message);
}
