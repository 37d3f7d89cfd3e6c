import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Digest } from '../../../src/oci/digest.ts';
import { algorithmOf, digestOf, hexOf } from '../../../src/oci/digest.ts';
import { openSource } from '../../../src/oci/sources/open.ts';
import { verifyBlob } from '../../../src/oci/sources/source.ts';
import type { TestEntry } from '../../support/archive.ts';
import { layoutEntries, writeArchive } from '../../support/archive.ts';
import type { TestImage } from '../../support/image.ts';
import { buildImage, buildIndex, writeOciLayout } from '../../support/image.ts';
import { tarLayer } from '../../support/tar.ts';

const AMD64 = buildImage();
const ARM64 = buildImage({ layers: [gzipSync(tarLayer({ 'arm.txt': 'arm\n' }))] });
const INDEX = buildIndex([AMD64, ARM64]);

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-test-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const blobFile = (digest: Digest): string =>
  join(folder, 'layout', 'blobs', algorithmOf(digest), hexOf(digest));
const layout = (image: TestImage = INDEX, tag = 'v1'): string => {
  writeOciLayout(join(folder, 'layout'), image, tag);
  return `oci:${join(folder, 'layout')}`;
};
const invalid = { code: 'SOURCE_INVALID' };

describe('an OCI layout in a folder', () => {
  it('gives the root, its children first, and each blob once', async () => {
    const source = await openSource(`${layout()}:v1`);
    expect(source.root).toEqual({
      bytes: INDEX.manifest,
      mediaType: INDEX.mediaType,
      digest: INDEX.digest,
    });
    expect(source.manifests.map(({ digest }) => digest)).toEqual([
      AMD64.digest,
      ARM64.digest,
      INDEX.digest,
    ]);
    const blobs = new Map([...AMD64.blobs, ...ARM64.blobs]);
    expect(new Set(source.blobs.map(({ digest }) => digest))).toEqual(new Set(blobs.keys()));
    for (const blob of source.blobs) {
      expect(await buffer(source.openBlob(blob))).toEqual(blobs.get(blob.digest));
      expect(await buffer(source.openBlob(blob, 7))).toEqual(blobs.get(blob.digest)?.subarray(7));
    }
    await source.close();
  });

  it('needs no name where it has one image', async () => {
    expect((await openSource(layout())).root.digest).toBe(INDEX.digest);
  });

  it('says what docker has is called where there is no layout', async () => {
    await expect(openSource('oci:/nowhere/at/all')).rejects.toMatchObject({
      ...invalid,
      message: expect.stringMatching(
        /OCI image layout in \/nowhere\/at\/all: .*docker-daemon:NAME$/,
      ),
    });
  });

  it('names what is there where another is asked for', async () => {
    await expect(openSource(`${layout()}:v2`)).rejects.toMatchObject({
      ...invalid,
      message: expect.stringMatching(/named v2.*v1/),
    });
  });

  it.each([
    ['no folder', (): string => 'oci:/nowhere/at/all'],
    [
      'another version',
      (): string => {
        const source = layout();
        writeFileSync(join(folder, 'layout', 'oci-layout'), '{"imageLayoutVersion":"2.0.0"}');
        return source;
      },
    ],
    [
      'an index.json with a duplicate key',
      (): string => {
        const source = layout();
        writeFileSync(
          join(folder, 'layout', 'index.json'),
          '{"schemaVersion":2,"manifests":[],"manifests":[]}',
        );
        return source;
      },
    ],
    [
      'a manifest that was changed',
      (): string => {
        const source = layout();
        const changed = Buffer.from(ARM64.manifest);
        changed[changed.length - 3] = 0x58;
        writeFileSync(blobFile(ARM64.digest), changed);
        return source;
      },
    ],
    [
      'a layer that is missing',
      (): string => {
        const source = layout();
        rmSync(blobFile([...ARM64.blobs.keys()][1] as Digest));
        return source;
      },
    ],
    [
      'a layer that is too short',
      (): string => {
        const source = layout();
        truncateSync(blobFile([...ARM64.blobs.keys()][1] as Digest), 10);
        return source;
      },
    ],
    [
      'a layer that is too long',
      (): string => {
        const source = layout();
        appendFileSync(blobFile([...ARM64.blobs.keys()][1] as Digest), 'more');
        return source;
      },
    ],
  ])('is refused with %s', async (_what, make) => {
    await expect(openSource(make())).rejects.toMatchObject(invalid);
  });

  it('shows a layer of other bytes as it is read', async () => {
    const [, layer] = [...ARM64.blobs.keys()];
    const source = await openSource(layout());
    const blob = source.blobs.find(({ digest }) => digest === layer);
    expect(blob).toBeDefined();
    const file = blobFile(layer as Digest);
    writeFileSync(file, Buffer.alloc(blob?.size ?? 0, 'x'));
    await expect(verifyBlob(source, blob as NonNullable<typeof blob>)).rejects.toMatchObject({
      ...invalid,
      message: expect.stringContaining('damaged'),
    });
  });

  it('is refused where indexes are nested too deep', async () => {
    let image = buildIndex([AMD64]);
    for (let depth = 0; depth < 4; depth++) image = buildIndex([image]);
    await expect(openSource(layout(image))).rejects.toMatchObject(invalid);
  });

  it('may leave out a layer that is meant to be fetched elsewhere', async () => {
    const config = Buffer.from('{}');
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
        config: {
          mediaType: 'application/vnd.docker.container.image.v1+json',
          digest: digestOf(config),
          size: config.length,
        },
        layers: [
          {
            mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
            digest: digestOf(Buffer.from('far away')),
            size: 8,
            urls: ['https://example.com/layer'],
          },
        ],
      }),
    );
    const image: TestImage = {
      manifest,
      digest: digestOf(manifest),
      mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
      blobs: new Map([[digestOf(config), config]]),
      children: [],
    };
    const source = await openSource(layout(image));
    expect(source.blobs.map(({ digest }) => digest)).toEqual([digestOf(config)]);
  });
});

describe('an OCI layout in an archive', () => {
  const archive = (entries: readonly TestEntry[]): Promise<string> =>
    writeArchive(join(folder, 'image.tar'), entries);

  it('gives what the folder gives', async () => {
    const file = await archive(layoutEntries(INDEX, 'v1'));
    const source = await openSource(`oci-archive:${file}:v1`);
    expect(source.root.digest).toBe(INDEX.digest);
    for (const blob of source.blobs) await verifyBlob(source, blob);
    await source.close();
  });

  it('may be gzipped, and may write ./ before its names', async () => {
    const entries = layoutEntries(INDEX, 'v1').map((e) => ({ ...e, name: `./${e.name}` }));
    const plain = await archive([{ name: './', type: 'directory' }, ...entries]);
    const { readFileSync } = await import('node:fs');
    writeFileSync(`${plain}.gz`, gzipSync(readFileSync(plain)));
    const source = await openSource(`oci-archive:${plain}.gz`);
    expect(source.root.digest).toBe(INDEX.digest);
    for (const blob of source.blobs) await verifyBlob(source, blob);
    await source.close();
  });

  it.each<[string, (good: TestEntry[]) => TestEntry[]]>([
    ['a name that climbs out', (good) => [...good, { name: '../../evil', bytes: Buffer.of(1) }]],
    ['an absolute name', (good) => [...good, { name: '/etc/evil', bytes: Buffer.of(1) }]],
    [
      'a symbolic link',
      (good) => [...good, { name: 'x', type: 'symlink', linkname: '/etc/passwd' }],
    ],
    ['a hard link', (good) => [...good, { name: 'x', type: 'link', linkname: 'index.json' }]],
    ['a device', (good) => [...good, { name: 'x', type: 'character-device' }]],
    ['a name twice', (good) => [...good, ...good.slice(0, 1)]],
    ['a layer missing', (good) => good.slice(0, -1)],
    ['no index.json', (good) => good.filter(({ name }) => name !== 'index.json')],
  ])('is refused with %s', async (_what, change) => {
    const file = await archive(change(layoutEntries(INDEX, 'v1')));
    await expect(openSource(`oci-archive:${file}`)).rejects.toMatchObject(invalid);
  });

  it('is refused wherever it is cut', async () => {
    const { readFileSync } = await import('node:fs');
    const file = await archive(layoutEntries(AMD64, 'v1'));
    const whole = readFileSync(file);
    // All but the end marker, which tells nothing, is needed.
    for (let length = 1; length < whole.length - 1024; length += 509) {
      writeFileSync(file, whole.subarray(0, length));
      await expect(openSource(`oci-archive:${file}`)).rejects.toMatchObject(invalid);
    }
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['noise', Buffer.alloc(4096, 'noise')],
    ['broken gzip', Buffer.from('1f8b0800000000000003ffff', 'hex')],
  ])('is refused where it is %s', async (_what, bytes) => {
    const file = join(folder, 'x.tar');
    writeFileSync(file, bytes);
    await expect(openSource(`oci-archive:${file}`)).rejects.toMatchObject(invalid);
  });
});

describe('a source', () => {
  it.each(['', 'oci', 'oci:', 'docker://x', 'dir:x', 'image'])(
    'is not written %j',
    async (text) => {
      await expect(openSource(text)).rejects.toMatchObject({ code: 'USAGE' });
    },
  );
});
