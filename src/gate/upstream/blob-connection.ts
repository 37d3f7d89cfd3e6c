import type { Socket } from 'node:net';
import { connect } from 'node:net';
import type { Writable } from 'node:stream';
import type { ResponseHead } from './response-head.ts';
import { parseResponseHead } from './response-head.ts';

/** Two buffers a connection: one is filled while the other goes out. */
const BUFFERS = 2;
const BUFFER_BYTES = 256 * 1024;
const HEAD_BYTES = 16 * 1024;
const HEAD_MS = 30_000;
const BODY_IDLE_MS = 120_000;
/** How long a connection is kept for the next request: less than registries keep theirs. */
const KEPT_MS = 4_000;

/** Where to connect to. */
export type Address = { readonly host: string; readonly port: number } | { readonly path: string };

/** An answer that waits to be sent on. */
export interface BlobStream {
  readonly head: ResponseHead;
  /** Sends the body on and ends; one that is cut short, or longer than announced, destroys `to`. Always resolves. */
  pump(to: Writable): Promise<void>;
}

/** One request on its way: first its head is waited for, then its body goes to `to`. */
interface Exchange {
  readonly signal: AbortSignal;
  readonly answer: (stream: BlobStream | null) => void;
  text: string;
  answered: boolean;
  keep: boolean;
  /** Bytes of the body that have not come yet. */
  left: number;
  to: Writable | null;
  done: () => void;
}

/**
 * A connection that reads blobs into two buffers, over and over: a third of the processor time of an
 * HTTP client that makes a new one of every 64 KiB, and none of its garbage. One request at a time.
 */
export class BlobConnection {
  readonly #socket: Socket;
  readonly #buffers: Buffer[] = [];
  readonly #onIdle: (connection: BlobConnection) => void;
  #turn = 0;
  #onWire = 0;
  #exchange: Exchange | null = null;

  /** `onIdle` is told when the next request can be made. */
  constructor(address: Address, onIdle: (connection: BlobConnection) => void) {
    this.#onIdle = onIdle;
    this.#socket = connect({
      ...address,
      onread: {
        buffer: () => this.#buffer(),
        callback: (bytes, { buffer, byteOffset }) =>
          this.#read(Buffer.from(buffer, byteOffset, bytes)),
      },
    });
    this.#socket.on('timeout', () => this.#idle());
    for (const event of ['error', 'end', 'close']) this.#socket.on(event, () => this.#fail());
  }

  /** False once it can take no more requests. */
  get usable(): boolean {
    return !this.#socket.destroyed;
  }

  /** Sends a request; `null` where its answer is not a simple one, trouble included. */
  ask(request: string, signal: AbortSignal): Promise<BlobStream | null> {
    return new Promise((resolve) => {
      const aborted = (): void => this.#fail();
      signal.addEventListener('abort', aborted, { once: true });
      const done = (): void => signal.removeEventListener('abort', aborted);
      const fresh = { text: '', answered: false, keep: false, left: 0, to: null };
      this.#exchange = { signal, answer: resolve, done, ...fresh };
      if (signal.aborted || !this.usable) return this.#fail();
      this.#socket.ref();
      this.#socket.setTimeout(HEAD_MS);
      this.#socket.write(request, 'latin1');
    });
  }

  close(): void {
    this.#fail();
  }

  /** The buffers take turns, so the one that is filled next is the one that went out first. */
  #buffer(): Buffer {
    const at = this.#turn++ % BUFFERS;
    return (this.#buffers[at] ??= Buffer.allocUnsafeSlow(BUFFER_BYTES));
  }

  /** Takes what was read; `false` stops the reading until the socket is resumed. */
  #read(chunk: Buffer): boolean {
    const exchange = this.#exchange;
    if (exchange !== null && exchange.to !== null) return this.#send(exchange, exchange.to, chunk);
    // Nobody asked, or nobody is ready for more: what comes now would be taken for another answer.
    if (exchange === null || exchange.answered) return (this.#fail(), false);
    exchange.text += chunk.toString('latin1');
    const end = exchange.text.indexOf('\r\n\r\n');
    if (end < 0 && exchange.text.length <= HEAD_BYTES) return true;
    const head = end < 0 ? null : parseResponseHead(exchange.text.slice(0, end));
    if (head === null) return (this.#fail(), false);
    const early = Buffer.from(exchange.text.slice(end + 4), 'latin1');
    exchange.text = '';
    exchange.answered = true;
    exchange.left = head.length;
    exchange.keep = head.headers['connection']?.toLowerCase() !== 'close';
    exchange.answer({ head, pump: (to) => this.#pump(exchange, to, early) });
    return false;
  }

  #pump(exchange: Exchange, to: Writable, early: Buffer): Promise<void> {
    return new Promise((resolve) => {
      const { done } = exchange;
      exchange.to = to;
      exchange.done = () => {
        done();
        resolve();
      };
      this.#socket.setTimeout(BODY_IDLE_MS);
      if (this.#exchange !== exchange) {
        // It failed while nobody listened.
        to.destroy();
        exchange.done();
      } else if (early.length > 0) this.#send(exchange, to, early);
      else if (exchange.left === 0) this.#finish(exchange, to);
      else this.#socket.resume();
    });
  }

  #send(exchange: Exchange, to: Writable, chunk: Buffer): boolean {
    // More than was announced: the rest could be taken for the next answer.
    if (chunk.length > exchange.left) return (this.#cut(), false);
    exchange.left -= chunk.length;
    this.#onWire++;
    to.write(chunk, (error) => {
      this.#onWire--;
      if (this.#exchange !== exchange) return;
      if (error !== null && error !== undefined) this.#fail();
      else if (exchange.left > 0) this.#socket.resume();
      else if (this.#onWire === 0) this.#finish(exchange, to);
    });
    return this.#onWire < BUFFERS && exchange.left > 0;
  }

  #finish(exchange: Exchange, to: Writable): void {
    this.#exchange = null;
    to.end();
    exchange.done();
    if (!exchange.keep || !this.usable) return this.#fail();
    this.#socket.setTimeout(KEPT_MS);
    this.#socket.unref();
    // Reads on, so that an end, or what nobody asked for, is noticed.
    this.#socket.resume();
    this.#onIdle(this);
  }

  /** Nothing came for a while: the client's own doing where it does not take what is there. */
  #idle(): void {
    if (this.#onWire > 0) this.#socket.setTimeout(BODY_IDLE_MS);
    else this.#fail();
  }

  #fail(): void {
    const exchange = this.#exchange;
    const all = exchange !== null && exchange.answered && exchange.left === 0;
    // All of it is here and on its way to the client: the end of the connection changes nothing.
    if (all && exchange.to?.destroyed === false && !exchange.signal.aborted) {
      exchange.keep = false;
      return;
    }
    this.#cut();
  }

  /** Ends the connection, and the answer on it where it stands. */
  #cut(): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    this.#socket.destroy();
    exchange?.to?.destroy();
    if (exchange?.answered === false) exchange.answer(null);
    exchange?.done();
  }
}
