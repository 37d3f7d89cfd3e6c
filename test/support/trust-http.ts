import type { IncomingHttpHeaders } from 'node:http';
import { request } from 'node:https';
import { bodyOf } from './wire-server.ts';

/** An answer of a trust server, read whole. */
export interface TrustAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** The error's code, `undefined` where it is none. */
  readonly code: string | undefined;
  /** The error's detail. */
  readonly detail: unknown;
}

/** Asks a trust server over TLS, trusting `ca` alone. */
export interface TrustHttp {
  readonly url: string;
  call(
    method: string,
    path: string,
    options?: { readonly headers?: Record<string, string>; readonly body?: Uint8Array | string },
  ): Promise<TrustAnswer>;
  /** A file of a repository: `root.json`, `2.root.json`, `timestamp.key` … */
  file(gun: string, name: string): Promise<TrustAnswer>;
  /** Uploads files by role, in the order given. */
  publish(
    gun: string,
    parts: Iterable<readonly [role: string, bytes: Uint8Array]>,
    headers?: Record<string, string>,
  ): Promise<TrustAnswer>;
}

/** The paths below a repository's trust data. */
export const trustPath = (gun: string, name = ''): string => `/v2/${gun}/_trust/tuf/${name}`;

/** Opens it; nothing is asked yet. */
export function trustHttp(url: string, ca: string): TrustHttp {
  const { hostname, port } = new URL(url);
  const call: TrustHttp['call'] = (method, path, { headers = {}, body } = {}) =>
    new Promise((resolve, reject) => {
      const length =
        body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
      const all = { ...headers, ...length };
      // A connection of its own for each, as docker does it.
      const sent = request(
        { hostname, port, method, path, headers: all, ca, agent: false },
        (answer) => {
          bodyOf(answer).then(
            (bytes) => resolve(read(answer.statusCode ?? 0, answer.headers, bytes)),
            reject,
          );
        },
      );
      sent.on('error', reject);
      sent.end(body);
    });
  return {
    url,
    call,
    file: (gun, name) => call('GET', trustPath(gun, name)),
    publish: (gun, parts, headers = {}) => {
      const { type, body } = multipart(parts);
      return call('POST', trustPath(gun), { headers: { ...headers, 'content-type': type }, body });
    },
  };
}

/** An upload's body as docker and notary write it (dct-protocol 1.2). */
export function multipart(parts: Iterable<readonly [role: string, bytes: Uint8Array]>): {
  readonly type: string;
  readonly body: Buffer;
} {
  const boundary = 'a-boundary-of-the-test';
  const chunks = [...parts].flatMap(([role, bytes]) => [
    `--${boundary}\r\nContent-Disposition: form-data; name="files"; filename="${role}"\r\n` +
      'Content-Type: application/octet-stream\r\n\r\n',
    bytes,
    '\r\n',
  ]);
  const body = [...chunks, `--${boundary}--\r\n`].map((chunk) => Buffer.from(chunk as string));
  return { type: `multipart/form-data; boundary=${boundary}`, body: Buffer.concat(body) };
}

function read(status: number, headers: IncomingHttpHeaders, body: Buffer): TrustAnswer {
  const none = { status, headers, body, code: undefined, detail: undefined };
  if (status < 400) return none;
  try {
    const { errors } = JSON.parse(body.toString()) as {
      errors?: { code?: string; detail?: unknown }[];
    };
    return { ...none, code: errors?.[0]?.code, detail: errors?.[0]?.detail };
  } catch {
    return none;
  }
}
