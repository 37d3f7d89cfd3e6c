import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { CountersignError } from '../../lib/errors.ts';
import { threadEnvironment } from '../../lib/thread-environment.ts';
import type { Clock } from '../../lib/time.ts';
import type {
  Done,
  EncodedWrite,
  Failure,
  Outcome,
  Reply,
  Request,
  WriterOptions,
} from './protocol.ts';
import { sizeOf } from './write-size.ts';

/** Commits that may wait, and their bytes: more are refused, so that a slow disk cannot fill the memory. */
const WAITING = 4096;
const WAITING_BYTES = 64 * 1024 * 1024;
/** What one transaction takes: beyond it the first to come would wait for too many others. */
const BATCH = 256;
const BATCH_BYTES = 8 * 1024 * 1024;

interface Waiting {
  readonly writes: readonly EncodedWrite[];
  readonly bytes: number;
  readonly resolve: (done: Done) => void;
  readonly reject: (error: CountersignError) => void;
}

const unavailable = (message: string): CountersignError =>
  new CountersignError('STORE_UNAVAILABLE', message);

const errorOf = (failure: Failure): CountersignError =>
  new CountersignError(
    failure.code,
    failure.message,
    failure.detail === undefined ? {} : { detail: failure.detail },
  );

/**
 * The main thread's side of the writer: gathers the commits that come while one transaction runs into
 * the next one, so that they share its fsync. When the thread dies, everything that waits and all that
 * comes later is refused: nothing tells what a dead writer has done but opening the store anew.
 */
export class GroupCommit {
  readonly #worker: Worker;
  readonly #clock: Clock;
  readonly #opened = Promise.withResolvers<void>();
  #waiting: Waiting[] = [];
  #running: readonly Waiting[] = [];
  #count = 0;
  #bytes = 0;
  #scheduled = false;
  #closing = false;
  #broken: CountersignError | undefined;
  #drained: (() => void) | undefined;

  private constructor(worker: Worker, clock: Clock) {
    this.#worker = worker;
    this.#clock = clock;
    worker.on('message', (reply: Reply) => this.#hear(reply));
    worker.on('error', (error) => this.#break(error));
    worker.on('exit', () => this.#break(undefined));
  }

  #hear(reply: Reply): void {
    switch (reply.kind) {
      case 'ready':
        this.#opened.resolve();
        break;
      case 'failed':
        this.#opened.reject(errorOf(reply.failure));
        break;
      case 'outcomes':
        this.#settle(reply.outcomes);
        break;
    }
  }

  /** Starts the thread and resolves when the database is open; rejects with what kept it from opening. */
  static async start(options: WriterOptions, clock: Clock): Promise<GroupCommit> {
    // The thread runs from the same kind of file as this one: .ts in a checkout, .js when built.
    const file = new URL(`./worker${extname(import.meta.url)}`, import.meta.url);
    const worker = new Worker(file, {
      workerData: options,
      execArgv: [],
      env: threadEnvironment(),
      name: 'store',
    });
    const commits = new GroupCommit(worker, clock);
    await commits.#opened.promise;
    return commits;
  }

  /** Resolves when the writes are durable. Rejects as the contract of the store says. */
  async commit(writes: readonly EncodedWrite[]): Promise<Done> {
    if (this.#closing) throw unavailable('the store is closed');
    if (this.#broken !== undefined) throw this.#broken;
    const bytes = sizeOf(writes);
    if (this.#count >= WAITING || (this.#count > 0 && this.#bytes + bytes > WAITING_BYTES))
      throw unavailable(
        'the store is busy: too many changes wait for the disk; repeat in a moment',
      );
    this.#count++;
    this.#bytes += bytes;
    const { promise, resolve, reject } = Promise.withResolvers<Done>();
    this.#waiting.push({ writes, bytes, resolve, reject });
    this.#schedule();
    return promise;
  }

  #schedule(): void {
    if (this.#scheduled || this.#running.length > 0 || this.#waiting.length === 0) return;
    this.#scheduled = true;
    // After the requests of this turn of the event loop, which then share one transaction.
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#broken === undefined) this.#send();
    });
  }

  #send(): void {
    let bytes = 0;
    let take = 0;
    for (const next of this.#waiting) {
      if (take === BATCH || (take > 0 && bytes + next.bytes > BATCH_BYTES)) break;
      bytes += next.bytes;
      take++;
    }
    this.#running = this.#waiting.slice(0, take);
    this.#waiting = this.#waiting.slice(take);
    const commits = this.#running.map((one) => one.writes);
    this.#post({ kind: 'batch', now: this.#clock().getTime(), commits });
  }

  #post(request: Request): void {
    this.#worker.postMessage(request);
  }

  #settle(outcomes: readonly Outcome[]): void {
    const settled = this.#running;
    this.#running = [];
    settled.forEach((one, at) => {
      this.#count--;
      this.#bytes -= one.bytes;
      const outcome = outcomes[at];
      if (outcome?.ok === true) one.resolve(outcome);
      else one.reject(outcome === undefined ? unavailable('no outcome') : errorOf(outcome));
    });
    if (this.#count === 0) this.#drained?.();
    this.#schedule();
  }

  #break(cause: unknown): void {
    if (this.#broken !== undefined) return;
    this.#broken = new CountersignError(
      'STORE_UNAVAILABLE',
      'the writer of the store has ended; restart the service',
      { cause },
    );
    this.#opened.reject(this.#broken);
    for (const one of [...this.#running, ...this.#waiting]) one.reject(this.#broken);
    this.#running = [];
    this.#waiting = [];
    this.#count = 0;
    this.#drained?.();
  }

  /** Takes no more commits, and resolves when those that were accepted are settled. */
  async drain(): Promise<void> {
    this.#closing = true;
    if (this.#count > 0) await new Promise<void>((resolve) => (this.#drained = resolve));
  }

  /** Drains, then ends the thread. */
  async close(): Promise<void> {
    await this.drain();
    if (this.#broken !== undefined) return;
    const ended = new Promise<void>((resolve) => this.#worker.once('exit', () => resolve()));
    this.#post({ kind: 'close' });
    await ended;
  }
}
