import { pipeline, Transform } from 'node:stream';
import { codeOf, CountersignError } from '../lib/errors.ts';
import type { BlobContent, UploadOptions } from './blob-upload.ts';
import type { Digest } from './digest.ts';
import { algorithmOf, shortDigest } from './digest.ts';
import { pullScope, pushScope, repositoryUrl } from './endpoint.ts';
import type { Call, Exchange, Located } from './exchange.ts';
import { MEDIA } from './media-types.ts';
import { resolveLocation } from './origin.ts';
import { refusalOf } from './refusal.ts';

/** True for a failure after which the upload may go on. */
export const isTransient = (error: unknown): boolean =>
  error instanceof Resumable || codeOf(error) === 'UPSTREAM_UNAVAILABLE';

/** The registry no longer follows this session, or asks for a fresh login: asked again, it may go on. */
class Resumable extends CountersignError {}

/**
 * Opens an upload session, or has the registry mount the blob (`mounted`) from the repository that
 * `mount` names. Throws as the registry's client does, as all of these do.
 */
export async function begin(
  exchange: Exchange,
  path: string,
  signal: AbortSignal | undefined,
  mount: { readonly digest: Digest; readonly from: string | undefined } | undefined,
): Promise<URL | 'mounted'> {
  const query =
    mount?.from === undefined
      ? ''
      : `?${new URLSearchParams({ mount: mount.digest, from: mount.from }).toString()}`;
  const scopes = [pushScope(path), ...(mount?.from === undefined ? [] : [pullScope(mount.from)])];
  const call: Call = {
    method: 'POST',
    target: repositoryUrl(path, `blobs/uploads/${query}`),
    headers: { 'content-length': '0' },
    scopes,
    // An unused session is dropped by the registry by itself, so that opening one twice does no harm.
    idempotent: true,
    signal,
  };
  return exchange.request(call, async (answer) => {
    if (answer.status === 201 && mount !== undefined) {
      await answer.drain();
      return 'mounted';
    }
    if (answer.status !== 202) throw await refusalOf(answer, `an upload to ${path}`);
    return location(answer);
  });
}

async function location(answer: Located): Promise<URL> {
  await answer.drain();
  const value = answer.header('location');
  if (value === undefined) {
    throw new CountersignError(
      'UPSTREAM_INVALID',
      `expected a Location for the upload from ${answer.host}, found none`,
    );
  }
  return resolveLocation(value, answer.url);
}

/** Sends the rest of a blob from `offset` on; answers where the session goes on. */
export async function patch(
  exchange: Exchange,
  path: string,
  blob: BlobContent,
  session: URL,
  offset: number,
  options: UploadOptions,
): Promise<URL> {
  let sent = offset;
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sent += chunk.byteLength;
      options.onSent?.(sent);
      done(null, chunk);
    },
  });
  // A failure of the source destroys `counted` with it, and so becomes the request's own.
  pipeline(blob.open(offset), counted, () => {});
  const call = {
    method: 'PATCH' as const,
    target: session,
    headers: {
      'content-type': MEDIA.octets,
      'content-length': String(blob.size - offset),
      // The first PATCH is a whole stream; only one that continues says where (distribution-spec, "Pushing a blob in chunks").
      ...(offset === 0 ? {} : { 'content-range': `${offset}-${blob.size - 1}` }),
    },
    scopes: [pushScope(path)],
    signal: options.signal,
  };
  let answer: Located;
  try {
    answer = await exchange.stream(call, counted);
  } finally {
    counted.destroy();
  }
  if (answer.status === 202) return location(answer);
  const lost = answer.status === 401 || answer.status === 404 || answer.status === 416;
  const refusal = await refusalOf(answer, `uploading ${shortDigest(blob.digest)} to ${path}`);
  throw lost ? new Resumable(refusal.code, refusal.message) : refusal;
}

/** How much of an upload the registry has; `undefined` where it has lost the session. */
export function progress(
  exchange: Exchange,
  path: string,
  session: URL,
  signal: AbortSignal | undefined,
): Promise<{ readonly url: URL; readonly offset: number } | undefined> {
  const call: Call = {
    method: 'GET',
    target: session,
    scopes: [pushScope(path)],
    idempotent: true,
    signal,
  };
  return exchange.request(call, async (answer) => {
    const end = /^(?:bytes=)?0-([0-9]{1,15})$/.exec(answer.header('range') ?? '')?.[1];
    // "0-0" is said of no byte and of one: beginning anew is right for both.
    if (answer.status !== 204 || end === undefined || end === '0') {
      await answer.drain();
      return undefined;
    }
    const next = answer.header('location') === undefined ? session : await location(answer);
    return { url: next, offset: Number(end) + 1 };
  });
}

/** True where the registry has the blob. */
export function landed(exchange: Exchange, path: string, digest: Digest): Promise<boolean> {
  const call: Call = {
    method: 'HEAD',
    target: repositoryUrl(path, `blobs/${digest}`),
    scopes: [pushScope(path)],
    idempotent: true,
  };
  return exchange.request(call, async (answer) => {
    await answer.drain();
    return answer.status === 200;
  });
}

/** Ends a session: the registry checks what it has, or what is sent along, against the digest. */
export function finish(
  exchange: Exchange,
  path: string,
  digest: Digest,
  session: URL,
  options: { readonly bytes?: Uint8Array; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  const url = new URL(session);
  // Appended to the text: the rest of the query is signed by the registry and stays as it is.
  url.search = `${url.search === '' ? '?' : `${url.search}&`}digest=${encodeURIComponent(digest)}`;
  const call: Call = {
    method: 'PUT',
    target: url,
    headers:
      options.bytes === undefined ? { 'content-length': '0' } : { 'content-type': MEDIA.octets },
    ...(options.bytes === undefined ? {} : { body: options.bytes }),
    scopes: [pushScope(path)],
    idempotent: false,
    signal: options.signal,
  };
  return exchange.request(call, async (answer) => {
    if (answer.status === 201 || answer.status === 204) {
      await answer.drain();
      const claimed = answer.header('docker-content-digest');
      if (claimed !== undefined && claimed !== digest && claimed.startsWith(algorithmOf(digest)))
        throw wrongDigest(answer.host, digest);
      return;
    }
    const refusal = await refusalOf(answer, `finishing ${shortDigest(digest)} in ${path}`);
    throw answer.status === 404 || answer.status === 416
      ? new Resumable(refusal.code, refusal.message)
      : refusal;
  });
}

function wrongDigest(host: string, digest: Digest): CountersignError {
  return new CountersignError(
    'UPSTREAM_INVALID',
    `expected ${host} to store ${shortDigest(digest)}, but it answered another digest`,
  );
}
