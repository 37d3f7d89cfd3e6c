import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseManifest } from '../../../src/oci/manifest.ts';
import { MEDIA } from '../../../src/oci/media-types.ts';
import { openSource } from '../../../src/oci/sources/open.ts';
import type { ImageSource } from '../../../src/oci/sources/source.ts';
import type { TestEntry } from '../../support/archive.ts';
import { dockerSaveEntries, writeArchive } from '../../support/archive.ts';
import { tarLayer } from '../../support/tar.ts';

const BASE = tarLayer({ base: 'base\n' });
const APP = tarLayer({ app: 'app\n' });
const IMAGE = { tags: ['app:1'], layers: [BASE, APP] };
const invalid = { code: 'SOURCE_INVALID' };

describe('a docker archive', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'countersign-test-'));
    vi.stubEnv('TMPDIR', join(folder, '.'));
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });
  const openArchive = async (entries: readonly TestEntry[], name = ''): Promise<ImageSource> => {
    const file = await writeArchive(join(folder, 'image.tar'), entries);
    return openSource(`docker-archive:${file}${name}`);
  };
  const layersOf = async (source: ImageSource): Promise<Buffer[]> => {
    const manifest = parseManifest(source.root.bytes, source.root.mediaType);
    if (!manifest.ok || manifest.value.kind !== 'image') throw new Error('expected an image');
    return Promise.all(manifest.value.layers.map((layer) => buffer(source.openBlob(layer))));
  };

  it('becomes a schema 2 image with gzipped layers', async () => {
    const source = await openArchive(dockerSaveEntries([IMAGE]));
    expect(source.root.mediaType).toBe(MEDIA.dockerManifest);
    expect((await layersOf(source)).map((layer) => gunzipSync(layer))).toEqual([BASE, APP]);
    await source.close();
  });

  it('gives the same digest each time', async () => {
    const digests = new Set<string>();
    for (let nth = 0; nth < 2; nth++) {
      const source = await openArchive(dockerSaveEntries([IMAGE]));
      digests.add(source.root.digest);
      await source.close();
    }
    expect(digests.size).toBe(1);
  });

  it('leaves nothing behind', async () => {
    const source = await openArchive(dockerSaveEntries([IMAGE]));
    await source.close();
    await expect(openArchive(dockerSaveEntries([IMAGE]), ':other')).rejects.toMatchObject(invalid);
    expect(readdirSync(folder)).toEqual(['image.tar']);
  });

  it('keeps layers that are gzipped already', async () => {
    const zipped = gzipSync(APP, { level: 1 });
    const entries = dockerSaveEntries([IMAGE]).map((entry) =>
      entry.bytes === APP ? { ...entry, bytes: zipped } : entry,
    );
    const source = await openArchive(entries);
    expect((await layersOf(source))[1]).toEqual(zipped);
    await source.close();
  });

  it('may hold a second equal layer as a link within itself, as docker writes it', async () => {
    const twice = dockerSaveEntries([{ tags: ['app:1'], layers: [BASE, BASE] }]);
    const linked = twice.map((entry): TestEntry =>
      entry.name === 'image0-1/layer.tar'
        ? { name: entry.name, type: 'symlink', linkname: '../image0-0/layer.tar' }
        : entry,
    );
    const source = await openArchive(linked);
    expect((await layersOf(source)).map((layer) => gunzipSync(layer))).toEqual([BASE, BASE]);
    await source.close();
  });

  it('asks for a name where it has several images', async () => {
    const entries = dockerSaveEntries([IMAGE, { tags: ['other:2', 'x/y:z'], layers: [APP] }]);
    await expect(openArchive(entries)).rejects.toMatchObject({
      ...invalid,
      message: expect.stringContaining('app:1, other:2, x/y:z'),
    });
    const named = await openArchive(entries, ':docker.io/library/other:2');
    expect((await layersOf(named)).map((layer) => gunzipSync(layer))).toEqual([APP]);
    await named.close();
  });

  it.each<[string, (good: TestEntry[]) => TestEntry[]]>([
    ['a layer of other bytes', (good) => replace(good, 'image0-1/layer.tar', BASE)],
    ['a layer missing', (good) => good.filter(({ name }) => name !== 'image0-1/layer.tar')],
    [
      'a broken gzip layer',
      (good) => replace(good, 'image0-1/layer.tar', gzipSync(APP).subarray(0, 30)),
    ],
    [
      'a layer that links out of it',
      (good) =>
        good.map((entry): TestEntry =>
          entry.name === 'image0-1/layer.tar'
            ? { name: entry.name, type: 'symlink', linkname: '/etc/hostname' }
            : entry,
        ),
    ],
    ['no manifest.json', (good) => good.slice(0, -1)],
    [
      'a manifest.json of another shape',
      (good) => replace(good, 'manifest.json', Buffer.from('{}')),
    ],
    [
      'a config name that climbs out',
      (good) =>
        replace(
          good,
          'manifest.json',
          Buffer.from('[{"Config":"../../etc/passwd","Layers":[],"RepoTags":[]}]'),
        ),
    ],
    [
      'fewer layers than its config says',
      (good) => {
        const text = Buffer.from(good.at(-1)?.bytes ?? []).toString();
        const changed = text.replace(',"image0-1/layer.tar"', '');
        return replace(good, 'manifest.json', Buffer.from(changed));
      },
    ],
  ])('is refused with %s', async (_what, change) => {
    await expect(openArchive(change(dockerSaveEntries([IMAGE])))).rejects.toMatchObject(invalid);
    expect(readdirSync(folder)).toEqual(['image.tar']);
  });
});

function replace(entries: readonly TestEntry[], name: string, bytes: Uint8Array): TestEntry[] {
  return entries.map((entry) => (entry.name === name ? { ...entry, bytes } : entry));
}
