import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { digestOf } from '../../src/oci/digest.ts';
import type { Descriptor } from '../../src/oci/manifest.ts';
import { MEDIA } from '../../src/oci/media-types.ts';
import type { ImageSource } from '../../src/oci/sources/source.ts';

/** Makes a small real image (one layer, one file) whose content is `text`. */
export async function makeImage(text: string): Promise<ImageSource> {
  const tar = pack();
  tar.entry({ name: 'hello.txt', mode: 0o644, mtime: new Date(0) }, `${text}\n`);
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar as AsyncIterable<Buffer>) chunks.push(chunk);
  const unpacked = Buffer.concat(chunks);
  const layer = gzipSync(unpacked);
  const config = json({
    architecture: 'amd64',
    os: 'linux',
    config: { Cmd: ['/hello.txt'] },
    rootfs: { type: 'layers', diff_ids: [digestOf(unpacked)] },
  });
  const blobs = new Map([
    [digestOf(layer), layer],
    [digestOf(config), config],
  ]);
  const descriptor = (mediaType: string, bytes: Uint8Array): Descriptor => ({
    mediaType,
    digest: digestOf(bytes),
    size: bytes.byteLength,
  });
  const parts = [descriptor(MEDIA.ociConfig, config), descriptor(MEDIA.ociLayerGzip, layer)];
  const bytes = json({
    schemaVersion: 2,
    mediaType: MEDIA.ociManifest,
    config: parts[0],
    layers: [parts[1]],
  });
  const root = { bytes, mediaType: MEDIA.ociManifest, digest: digestOf(bytes) };
  return {
    root,
    manifests: [root],
    blobs: parts,
    openBlob: ({ digest }, start = 0) =>
      Readable.from([blobs.get(digest)?.subarray(start) ?? Buffer.alloc(0)]),
    close: async () => {},
  };
}

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
