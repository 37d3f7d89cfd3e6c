import type { Result } from '../../lib/result.ts';
import { ok, refuse } from '../../lib/result.ts';
import type { Digest, DigestAlgorithm } from '../../oci/digest.ts';
import { algorithmOf, parseDigest } from '../../oci/digest.ts';
import { isPath } from '../../oci/reference.ts';
import type { Answer } from '../answer.ts';
import { errorAnswer, refusalAnswer } from '../answer.ts';
import { uploadBody } from '../body.ts';
import type { ContentRange } from '../range.ts';
import { parseContentRange } from '../range.ts';
import type { Exchange } from './exchange.ts';

interface UploadRoute {
  readonly path: string;
  readonly id: string;
}

/** POST (end-4a, 4b, 11): mounts a blob, takes one whole, or opens a session. */
export async function startUpload(
  exchange: Exchange,
  { path }: { readonly path: string },
): Promise<Answer> {
  const { stores, query } = exchange;
  const mounted = await tryMount(exchange, path);
  if (mounted !== undefined) return mounted;
  const whole = query.get('digest');
  const digest = whole === null ? undefined : parseDigest(whole);
  if (digest?.ok === false) return refusalAnswer(digest.refusal);
  const algorithm = digest === undefined ? asked(query) : ok(algorithmOf(digest.value));
  if (!algorithm.ok) return refusalAnswer(algorithm.refusal);
  const begun = await stores.uploads.begin(path, algorithm.value);
  if (!begun.ok) return refusalAnswer(begun.refusal);
  const route = { path, id: begun.value };
  return digest === undefined ? progress(202, route, 0) : takeWhole(exchange, route, digest.value);
}

/** PATCH (end-5): one chunk, or a stream of unknown length. */
export async function appendUpload(exchange: Exchange, route: UploadRoute): Promise<Answer> {
  const range = chunkRange(exchange);
  if (!range.ok) return refusalAnswer(range.refusal);
  const body = uploadBody(exchange.request);
  const size = await exchange.stores.uploads.append(route.path, route.id, body, range.value);
  return size.ok ? progress(202, route, size.value) : refused(exchange, route, size);
}

/** PUT (end-6): the last bytes, if any, and the digest of the whole. */
export async function finishUpload(exchange: Exchange, route: UploadRoute): Promise<Answer> {
  const digest = parseDigest(exchange.query.get('digest') ?? '');
  if (!digest.ok) return refusalAnswer(digest.refusal);
  const range = chunkRange(exchange);
  if (!range.ok) return refusalAnswer(range.refusal);
  const done = await exchange.stores.uploads.finish(
    route.path,
    route.id,
    uploadBody(exchange.request),
    range.value,
    digest.value,
  );
  return done.ok ? created(route.path, digest.value) : refused(exchange, route, done);
}

/** GET (end-13): how much has arrived. */
export async function uploadStatus({ stores }: Exchange, route: UploadRoute): Promise<Answer> {
  const size = await stores.uploads.size(route.path, route.id);
  return size.ok ? progress(204, route, size.value) : refusalAnswer(size.refusal);
}

/** DELETE: the client gives up. */
export async function cancelUpload({ stores }: Exchange, route: UploadRoute): Promise<Answer> {
  const cancelled = await stores.uploads.cancel(route.path, route.id);
  return cancelled.ok ? { status: 204 } : refusalAnswer(cancelled.refusal);
}

/**
 * A mount needs `from`: without it any blob whose digest is known could be drawn from a repository that
 * the client may not read (CVE-2024-39897). The spec lets a registry open an ordinary session instead.
 */
async function tryMount({ stores, query }: Exchange, path: string): Promise<Answer | undefined> {
  const mount = query.get('mount');
  const from = query.get('from');
  if (mount === null) return undefined;
  const digest = parseDigest(mount);
  if (!digest.ok) return refusalAnswer(digest.refusal);
  if (from === null) return undefined;
  if (!isPath(from))
    return errorAnswer('NAME_INVALID', 'expected "from" to be the name of a repository');
  const mounted = await stores.blobs.mount(path, digest.value, from);
  return mounted ? created(path, digest.value) : undefined;
}

async function takeWhole(exchange: Exchange, route: UploadRoute, digest: Digest): Promise<Answer> {
  const { uploads } = exchange.stores;
  try {
    const body = uploadBody(exchange.request);
    const done = await uploads.finish(route.path, route.id, body, undefined, digest);
    if (done.ok) return created(route.path, digest);
    await uploads.cancel(route.path, route.id);
    return refusalAnswer(done.refusal);
  } catch (error) {
    // Nobody was told the session's address, so nobody could continue it.
    await uploads.cancel(route.path, route.id);
    throw error;
  }
}

function asked(query: URLSearchParams): Result<DigestAlgorithm> {
  const name = query.get('digest-algorithm') ?? 'sha256';
  if (name === 'sha256' || name === 'sha512') return ok(name);
  return refuse('DIGEST_INVALID', 'expected "digest-algorithm" to be sha256 or sha512');
}

function chunkRange({ request }: Exchange): Result<ContentRange | undefined> {
  const header = request.headers['content-range'];
  if (header === undefined) return ok(undefined);
  const range = parseContentRange(header);
  return range === undefined
    ? refuse('BLOB_UPLOAD_INVALID', 'expected Content-Range as <first>-<last>, both included')
    : ok(range);
}

/** A refusal; one about the range says where the upload stands, as a client needs it to go on. */
async function refused(
  { stores }: Exchange,
  route: UploadRoute,
  result: Result<unknown>,
): Promise<Answer> {
  if (result.ok) throw new TypeError('expected a refusal');
  if (result.refusal.code !== 'RANGE_INVALID') return refusalAnswer(result.refusal);
  const size = await stores.uploads.size(route.path, route.id);
  return refusalAnswer(result.refusal, size.ok ? position(route, size.value) : {});
}

const progress = (status: 202 | 204, route: UploadRoute, size: number): Answer => ({
  status,
  headers: position(route, size),
});

// Relative, so that it is right behind any proxy. An empty upload is `0-0` too, as every registry has it.
const position = ({ path, id }: UploadRoute, size: number): Readonly<Record<string, string>> => ({
  Location: `/v2/${path}/blobs/uploads/${id}`,
  Range: `0-${Math.max(size - 1, 0)}`,
  'Docker-Upload-UUID': id,
});

const created = (path: string, digest: Digest): Answer => ({
  status: 201,
  headers: { Location: `/v2/${path}/blobs/${digest}`, 'Docker-Content-Digest': digest },
});
