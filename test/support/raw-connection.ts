import type { Socket } from 'node:net';
import { connect } from 'node:net';

/** An answer, cut as its own headers say. */
export interface RawAnswer {
  readonly status: number;
  /** All bytes, headers included. */
  readonly bytes: Buffer;
}

/** A connection that sends raw bytes and reads one answer at a time, opened anew whenever it has ended. */
export class RawConnection {
  readonly #host: string;
  readonly #port: number;
  #socket: Socket | null = null;
  #received = Buffer.alloc(0);
  #ended = false;

  constructor(base: string) {
    const { hostname, port } = new URL(base);
    this.#host = hostname;
    this.#port = Number(port);
  }

  /**
   * Sends bytes and returns the answer. `last`: nothing more will come, so what is left of a message
   * that promised more is its end; then all that comes until the connection closes is returned.
   */
  async ask(
    bytes: Buffer,
    options: { readonly head: boolean; readonly last: boolean },
  ): Promise<RawAnswer> {
    const socket = await this.#open();
    socket.write(bytes);
    if (options.last) socket.end();
    const timer = setTimeout(() => socket.destroy(), 10_000);
    try {
      for (;;) {
        const length = options.last ? null : lengthOf(this.#received, options.head);
        if (length !== null && this.#received.length >= length) {
          const answer = this.#received.subarray(0, length);
          this.#received = this.#received.subarray(length);
          if (/^connection: close/im.test(answer.toString('latin1').split('\r\n\r\n', 1)[0] ?? ''))
            this.close();
          return { status: statusOf(answer), bytes: answer };
        }
        if (this.#ended) {
          const answer = this.#received;
          this.close();
          return { status: statusOf(answer), bytes: answer };
        }
        await happened(socket, ['progress']);
      }
    } finally {
      clearTimeout(timer);
      if (options.last) this.close();
    }
  }

  /** Bytes that came without being asked for: an answer to a request that nobody sent. */
  surplus(): Buffer {
    return this.#received;
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = null;
  }

  async #open(): Promise<Socket> {
    if (this.#socket !== null && !this.#ended) return this.#socket;
    const socket = connect(this.#port, this.#host);
    this.#socket = socket;
    this.#received = Buffer.alloc(0);
    this.#ended = false;
    socket.on('data', (part: Buffer) => {
      this.#received = Buffer.concat([this.#received, part]);
      socket.emit('progress');
    });
    // A server that cuts a hopeless connection is an answer too.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (this.#socket === socket || this.#socket === null) this.#ended = true;
      socket.emit('progress');
    });
    await happened(socket, ['connect', 'close']);
    return socket;
  }
}

/** Waits for one of the events; unlike `once` of `node:events` it does not take an error for its own. */
function happened(socket: Socket, events: readonly string[]): Promise<void> {
  return new Promise((resolve) => {
    for (const event of events) socket.once(event, () => resolve());
  });
}

function statusOf(bytes: Buffer): number {
  const match = /^HTTP\/1\.1 ([0-9]{3}) /.exec(bytes.subarray(0, 13).toString('latin1'));
  return match === null ? 0 : Number(match[1]);
}

/** How long the first answer in the buffer is; `null` where that is not known yet. */
function lengthOf(bytes: Buffer, head: boolean): number | null {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const headers = bytes.subarray(0, end).toString('latin1');
  const status = statusOf(bytes);
  if (head || status === 204 || status === 304) return end + 4;
  if (/^transfer-encoding: *chunked/im.test(headers)) {
    const last = bytes.indexOf('0\r\n\r\n', end + 4);
    return last < 0 ? null : last + 5;
  }
  const length = /^content-length: *([0-9]+)/im.exec(headers);
  return length === null ? null : end + 4 + Number(length[1]);
}
