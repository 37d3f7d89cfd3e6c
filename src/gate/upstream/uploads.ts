import type { ClientRequest, IncomingMessage } from 'node:http';
import { Agent, request as httpRequest } from 'node:http';
import { Readable } from 'node:stream';
import type { Dispatcher, Pool } from 'undici';
import type { UpstreamOptions } from './upstream.ts';

/** What requests are sent with: undici's pools, and {@link Uploads} for bodies that stream. */
export type Sender = Pick<Pool, 'request' | 'destroy'>;

/** As many at a time as other streams; more wait. */
const CONNECTIONS = 128;
const ANSWER_MS = 30_000;

/**
 * Sends bodies that stream to a registry over plain HTTP, each on a connection of its own, and frees
 * every piece as soon as the kernel has it. Node reads a body into 64 KiB of new memory at a time,
 * which V8 is told of but does not see: it marks the whole heap after every 40 MB to get it back, and
 * that took more of the processor than all else. `null` under TLS, where encryption does.
 */
export function openUploads({
  origin,
  socketPath,
}: Pick<UpstreamOptions, 'origin' | 'socketPath'>): Sender | null {
  const { protocol, hostname, port, host } = new URL(origin);
  if (protocol !== 'http:') return null;
  // Connections are not kept: nothing that is left of one upload can meet another.
  const agent = new Agent({ keepAlive: false, maxSockets: CONNECTIONS });
  const address =
    socketPath === undefined
      ? { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? 80 : Number(port) }
      : { socketPath };
  const request = (asked: Parameters<Sender['request']>[0]): Promise<Dispatcher.ResponseData> => {
    const { method, path, headers, body, signal, headersTimeout } = asked;
    return new Promise((resolve, reject) => {
      const sent = httpRequest({
        ...address,
        agent,
        method,
        path,
        headers: { ...(headers as Readonly<Record<string, string>>), host },
        ...(signal instanceof AbortSignal ? { signal } : {}),
        // Of silence: while the body goes out, and until the answer comes.
        timeout: headersTimeout ?? ANSWER_MS,
      });
      sent.once('timeout', () => sent.destroy(new Error('the registry did not answer in time')));
      // An error after the answer has begun is the answer's own, and its reader hears of it.
      sent.on('error', reject);
      sent.once('response', (answer) => resolve(asData(answer)));
      if (body instanceof Readable) pump(body, sent);
      else sent.end(body instanceof Uint8Array ? body : undefined);
    });
  };
  return {
    request: request as Sender['request'],
    destroy: async () => agent.destroy(),
  };
}

/** Sends the body on piece by piece, no faster than it goes; one that breaks off breaks the request off. */
function pump(body: Readable, to: ClientRequest): void {
  const send = (piece: Buffer): void => {
    const goesOn = to.write(piece, (error) => {
      if (error === null || error === undefined) free(piece);
    });
    if (!goesOn) body.pause();
  };
  const drained = (): void => void body.resume();
  const ended = (): void => void to.end();
  const broken = (): void => void to.destroy(new Error('the client went away'));
  const closed = (): void => (body.readableEnded ? undefined : broken());
  to.on('drain', drained);
  body.on('data', send).once('end', ended).once('error', broken).once('close', closed);
  // Whoever answers before it has all wants no more of it; what is left is the server's to drop.
  const stop = (): void => {
    to.off('drain', drained);
    body.off('data', send).off('end', ended).off('close', closed);
    body.pause();
  };
  to.once('response', stop).once('close', stop);
}

/** Gives the memory of a piece back that has gone out, where the piece is all that uses it. */
function free({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}

/** An answer in undici's form: a field that came twice is a list, so that none is taken for the only one. */
function asData(answer: IncomingMessage): Dispatcher.ResponseData {
  const headers: Record<string, string | string[]> = {};
  for (const [name, values = []] of Object.entries(answer.headersDistinct)) {
    const [first = '', ...more] = values;
    headers[name] = more.length === 0 ? first : values;
  }
  // Its connection is its own, so what nobody wants to read need not be read.
  const dump = (): Promise<void> => {
    answer.on('error', () => undefined).destroy();
    return Promise.resolve();
  };
  const body = Object.assign(answer, { dump });
  return {
    statusCode: answer.statusCode ?? 0,
    statusText: answer.statusMessage ?? '',
    headers,
    body: body as unknown as Dispatcher.ResponseData['body'],
    trailers: {},
    opaque: null,
    context: {},
  };
}
