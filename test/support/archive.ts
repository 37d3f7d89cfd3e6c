import { writeFileSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import type { Header } from 'tar-stream';
import { pack } from 'tar-stream';
import type { Digest } from '../../src/oci/digest.ts';
import { algorithmOf, digestOf, hexOf } from '../../src/oci/digest.ts';
import type { TestImage } from './image.ts';

/** An entry of an archive that a test makes, links and odd ones included. */
export type TestEntry = Partial<Header> & { readonly name: string; readonly bytes?: Uint8Array };

/** Writes a tar archive; returns its path. */
export async function writeArchive(path: string, entries: readonly TestEntry[]): Promise<string> {
  const archive = pack();
  for (const { bytes, ...header } of entries) {
    archive.entry({ mode: 0o644, mtime: new Date(0), ...header }, Buffer.from(bytes ?? []));
  }
  archive.finalize();
  writeFileSync(path, await buffer(archive));
  return path;
}

/** The entries of an OCI image layout (image-spec "Image Layout"). */
export function layoutEntries(image: TestImage, tag: string): TestEntry[] {
  const blobs = new Map<Digest, Uint8Array>();
  const collect = (one: TestImage): void => {
    one.children.forEach(collect);
    for (const [digest, bytes] of one.blobs) blobs.set(digest, bytes);
    blobs.set(one.digest, one.manifest);
  };
  collect(image);
  const index = {
    schemaVersion: 2,
    manifests: [
      {
        mediaType: image.mediaType,
        digest: image.digest,
        size: image.manifest.length,
        annotations: { 'org.opencontainers.image.ref.name': tag },
      },
    ],
  };
  return [
    { name: 'oci-layout', bytes: Buffer.from('{"imageLayoutVersion":"1.0.0"}') },
    { name: 'index.json', bytes: Buffer.from(JSON.stringify(index)) },
    ...[...blobs].map(([digest, bytes]) => ({
      name: `blobs/${algorithmOf(digest)}/${hexOf(digest)}`,
      bytes,
    })),
  ];
}

/** The entries of what `docker save` wrote before Docker 25. */
export function dockerSaveEntries(
  images: readonly { readonly tags: readonly string[]; readonly layers: readonly Uint8Array[] }[],
): TestEntry[] {
  const entries: TestEntry[] = [];
  const manifest = images.map(({ tags, layers }, nth) => {
    const rootfs = { type: 'layers', diff_ids: layers.map((layer) => digestOf(layer)) };
    const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs }));
    const names = layers.map((_, index) => `image${nth}-${index}/layer.tar`);
    const configName = `${hexOf(digestOf(config))}.json`;
    entries.push({ name: configName, bytes: config });
    for (const [index, layer] of layers.entries())
      entries.push({ name: names[index] as string, bytes: layer });
    return { Config: configName, RepoTags: tags, Layers: names };
  });
  return [...entries, { name: 'manifest.json', bytes: Buffer.from(JSON.stringify(manifest)) }];
}
