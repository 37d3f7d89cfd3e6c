import { request } from 'undici';
import { unwrap } from '../../src/lib/result.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { parseManifest } from '../../src/oci/manifest.ts';
import { MEDIA } from '../../src/oci/media-types.ts';
import type { Guarded } from './guarded.ts';
import { pushImage } from './image.ts';

/** Copies an image to another repository of the same gate, by digest: no tag is given. Throws where it may not be read or written. */
export async function copyByDigest(
  { gate: { url }, headers }: Pick<Guarded, 'gate' | 'headers'>,
  from: string,
  to: string,
  digest: string,
): Promise<void> {
  const read = async (path: string): Promise<{ readonly bytes: Buffer; readonly type: string }> => {
    const accept = [MEDIA.ociManifest, MEDIA.dockerManifest];
    const answer = await request(`${url}/v2/${from}/${path}`, { headers: { ...headers, accept } });
    const bytes = Buffer.from(await answer.body.arrayBuffer());
    if (answer.statusCode !== 200)
      throw new Error(`${path}: ${answer.statusCode} ${String(bytes)}`);
    return { bytes, type: String(answer.headers['content-type']) };
  };
  const { bytes, type } = await read(`manifests/${digest}`);
  const manifest = unwrap(parseManifest(bytes, type));
  if (manifest.kind !== 'image') throw new Error('expected an image, not an index');
  const blobs = new Map<Digest, Buffer>();
  for (const one of [manifest.config, ...manifest.layers]) {
    blobs.set(one.digest, (await read(`blobs/${one.digest}`)).bytes);
  }
  const copied = { manifest: bytes, digest: digestOf(bytes), mediaType: type, blobs, children: [] };
  await pushImage(url, to, copied, undefined, headers);
}
