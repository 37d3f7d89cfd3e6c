import type { FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { CountersignError } from '../../lib/errors.ts';
import { shortDigest } from '../../oci/digest.ts';
import type { Digest } from '../../oci/digest.ts';
import { MEDIA } from '../../oci/media-types.ts';
import type { Answer } from '../answer.ts';
import { errorAnswer } from '../answer.ts';
import type { ContentRange } from '../range.ts';
import { parseRange } from '../range.ts';
import type { Exchange } from './exchange.ts';

interface BlobRoute {
  readonly path: string;
  readonly digest: Digest;
}

const unknown = ({ path, digest }: BlobRoute): Answer =>
  errorAnswer('BLOB_UNKNOWN', `blob ${shortDigest(digest)} is not in ${path}`);

/** GET and HEAD of a blob (end-2); GET honours one byte range. */
export async function getBlob({ stores, request }: Exchange, route: BlobRoute): Promise<Answer> {
  const size = await stores.blobs.size(route.path, route.digest);
  if (size === undefined) return unknown(route);
  const headers = {
    'Content-Type': MEDIA.octets,
    'Docker-Content-Digest': route.digest,
    'Accept-Ranges': 'bytes',
  };
  // No validator is ever sent, so an If-Range never matches and asks for the whole (RFC 9110 13.1.5).
  const conditional = request.method !== 'GET' || request.headers['if-range'] !== undefined;
  const range = conditional ? 'whole' : parseRange(request.headers['range'], size);
  if (range === 'unsatisfiable') {
    const message = `the range lies outside the blob of ${size} bytes`;
    return errorAnswer('RANGE_INVALID', message, { 'Content-Range': `bytes */${size}` });
  }
  const open = async (part: ContentRange): Promise<Readable> => {
    const handle = await stores.blobs.open(route.path, route.digest);
    if (handle === undefined)
      throw new CountersignError('BLOB_UNKNOWN', 'the blob was deleted a moment ago');
    return read(handle, part);
  };
  if (range === 'whole') {
    const all = { first: 0, last: size - 1 };
    return { status: 200, headers, body: { length: size, open: async () => open(all) } };
  }
  return {
    status: 206,
    headers: { ...headers, 'Content-Range': `bytes ${range.first}-${range.last}/${size}` },
    body: { length: range.last - range.first + 1, open: async () => open(range) },
  };
}

/** DELETE of a blob (end-10): this repository no longer has it. */
export async function deleteBlob({ stores }: Exchange, route: BlobRoute): Promise<Answer> {
  const removed = await stores.blobs.remove(route.path, route.digest);
  return removed ? { status: 202 } : unknown(route);
}

function read(handle: FileHandle, { first, last }: ContentRange): Readable {
  // A stream of no bytes cannot be asked for with `end`, which is inclusive.
  const part = last < first ? { start: 0 } : { start: first, end: last };
  return handle.createReadStream({ ...part, highWaterMark: 256 * 1024 });
}
