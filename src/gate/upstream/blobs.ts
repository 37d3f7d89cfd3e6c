import { CountersignError } from '../../lib/errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { algorithmOf, digestOf } from '../../oci/digest.ts';
import { MEDIA } from '../../oci/media-types.ts';
import type { Caller } from '../access/caller.ts';
import { header, ownPath, readBounded, unavailable } from './answer.ts';
import type { Wire } from './wire.ts';

/** Reads a small blob and hashes it; see {@link Upstream.blob}. */
export async function getBlob(
  wire: Wire,
  path: string,
  digest: Digest,
  maxBytes: number,
  caller: Caller,
): Promise<Uint8Array | null> {
  const response = await wire.ask({ method: 'GET', path: `/v2/${path}/blobs/${digest}`, caller });
  if (response.statusCode === 404) {
    await response.body.dump();
    return null;
  }
  if (response.statusCode !== 200) {
    await response.body.dump();
    throw unavailable(`answered ${response.statusCode} for a blob`);
  }
  const bytes = await readBounded(response.body, maxBytes);
  if (digestOf(bytes, algorithmOf(digest)) !== digest) {
    throw new CountersignError('UPSTREAM_INVALID', 'the registry answered a blob with other bytes');
  }
  return bytes;
}

/** Uploads a small blob; see {@link Upstream.putBlob}. */
export async function putBlob(
  wire: Wire,
  path: string,
  digest: Digest,
  bytes: Uint8Array,
  caller: Caller,
): Promise<void> {
  const started = await wire.ask({ method: 'POST', path: `/v2/${path}/blobs/uploads/`, caller });
  await started.body.dump();
  const location = ownPath(header(started, 'location'), wire.origin);
  if (started.statusCode !== 202 || location === null) {
    throw unavailable(`answered ${started.statusCode} when asked for an upload`);
  }
  const done = await wire.ask({
    method: 'PUT',
    path: `${location}${location.includes('?') ? '&' : '?'}digest=${encodeURIComponent(digest)}`,
    headers: { 'content-type': MEDIA.octets },
    caller,
    body: bytes,
  });
  await done.body.dump();
  if (done.statusCode !== 201) throw unavailable(`answered ${done.statusCode} to a blob`);
}
