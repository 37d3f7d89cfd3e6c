import { STATUS_CODES } from 'node:http';
import type { Dispatcher } from 'undici';
import { CountersignError } from '../lib/errors.ts';
import { unreachable } from './unreachable.ts';

/** An answer whose body is not yet read; whoever gets one calls `read` or `drain`. */
export interface Answer {
  readonly status: number;
  /** The reason phrase where it differs from the usual ones, else empty. */
  readonly reasonPhrase: string;
  /** Host (with port) that answered, for messages. */
  readonly host: string;
  /** The value of a header (the first, where it came twice); `undefined` where it is absent. */
  header(name: string): string | undefined;
  /**
   * Reads the body into memory. Throws UPSTREAM_INVALID for more than `maxBytes` whatever its headers
   * say, and for an encoded one, whose bytes are not the content's; UPSTREAM_UNAVAILABLE where it breaks off.
   */
  read(maxBytes: number): Promise<Buffer>;
  /** Drops the body, keeping the connection where it is short. */
  drain(): Promise<void>;
}

const DRAIN_BYTES = 64 * 1024;

/** The answer that undici gave to a request for `url`; what breaks while its body is read is told as {@link unreachable} tells it. */
export function toAnswer(
  raw: Dispatcher.ResponseData,
  url: URL,
  signal: AbortSignal | undefined,
): Answer {
  const header = (name: string): string | undefined => {
    const value = raw.headers[name];
    return Array.isArray(value) ? value[0] : value;
  };
  const { body } = raw;
  return {
    status: raw.statusCode,
    reasonPhrase: raw.statusText === STATUS_CODES[raw.statusCode] ? '' : raw.statusText,
    host: url.host,
    header,
    async read(maxBytes) {
      try {
        const encoding = header('content-encoding') ?? 'identity';
        if (encoding.toLowerCase() !== 'identity') {
          throw invalid(`expected ${url.host} to send content unencoded, found ${encoding}`);
        }
        const chunks: Buffer[] = [];
        let size = 0;
        for await (const chunk of body as AsyncIterable<Buffer>) {
          size += chunk.byteLength;
          if (size > maxBytes) {
            throw invalid(`expected at most ${maxBytes} bytes from ${url.host}, found more`);
          }
          chunks.push(chunk);
        }
        return Buffer.concat(chunks, size);
      } catch (error) {
        body.on('error', () => {});
        body.destroy();
        throw unreachable(error, url, signal);
      }
    },
    async drain() {
      // A body that breaks off while it is thrown away is of no interest to anybody.
      await body.dump({ limit: DRAIN_BYTES }).catch(() => undefined);
    },
  };
}

const invalid = (message: string): CountersignError =>
  new CountersignError('UPSTREAM_INVALID', message);
