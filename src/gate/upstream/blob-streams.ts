import type { UpstreamOptions } from './upstream.ts';
import type { Address, BlobStream } from './blob-connection.ts';
import { BlobConnection } from './blob-connection.ts';
import { requestHead } from './response-head.ts';

/** Connections at a time, and of them kept for later; more requests go the other way. */
const CONNECTIONS = 128;
const KEPT = 8;
/** After so many answers in a row that were not simple (redirects, say) only one request in so many is tried. */
const MISSES = 16;
const RETRY = 64;

/**
 * Reads blobs from a registry over plain HTTP the fast way (see {@link BlobConnection}). What is not
 * simple is not taken, and for a whole HTTP client to ask for again: `null`.
 */
export class BlobStreams {
  readonly #address: Address | null;
  readonly #host: string;
  readonly #idle: BlobConnection[] = [];
  readonly #open = new Set<BlobConnection>();
  #misses = 0;
  #skipped = 0;

  constructor({ origin, socketPath }: Pick<UpstreamOptions, 'origin' | 'socketPath'>) {
    const { protocol, hostname, port, host } = new URL(origin);
    this.#host = host;
    const tcp = {
      host: hostname.replace(/^\[|\]$/g, ''),
      port: port === '' ? 80 : Number(port),
    };
    // Under TLS encryption takes the time, not the reading.
    this.#address =
      protocol !== 'http:' ? null : socketPath === undefined ? tcp : { path: socketPath };
  }

  /** Sends a GET and gives its answer; `null` where it has to go the other way. Throws nothing. */
  async get(
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<BlobStream | null> {
    if (this.#address === null) return null;
    if (this.#misses >= MISSES && ++this.#skipped % RETRY !== 0) return null;
    const request = requestHead(path, { host: this.#host, ...headers });
    const connection = request === null ? null : this.#connection(this.#address);
    if (request === null || connection === null) return null;
    const stream = await connection.ask(request, signal);
    this.#misses = stream === null ? this.#misses + 1 : 0;
    return stream;
  }

  /** Drops all connections. */
  close(): void {
    for (const connection of this.#open) connection.close();
    this.#open.clear();
  }

  #connection(address: Address): BlobConnection | null {
    for (let kept = this.#idle.pop(); kept !== undefined; kept = this.#idle.pop())
      if (kept.usable) return kept;
    for (const one of this.#open) if (!one.usable) this.#open.delete(one);
    if (this.#open.size >= CONNECTIONS) return null;
    const fresh = new BlobConnection(address, (idle) => {
      if (this.#idle.length < KEPT) this.#idle.push(idle);
      else idle.close();
    });
    this.#open.add(fresh);
    return fresh;
  }
}
