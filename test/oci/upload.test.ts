import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Digest } from '../../src/oci/digest.ts';
import { hexOf } from '../../src/oci/digest.ts';
import { openSource } from '../../src/oci/sources/open.ts';
import type { ImageSource } from '../../src/oci/sources/source.ts';
import type { ImageUpload, UploadEvent } from '../../src/oci/upload.ts';
import { uploadImage } from '../../src/oci/upload.ts';
import { buildImage, buildIndex, writeOciLayout } from '../support/image.ts';
import { tarLayer } from '../support/tar.ts';
import { wireRegistries } from '../support/wire-registry.ts';
import type { WireServer } from '../support/wire-server.ts';
import { answerError, bodyOf } from '../support/wire-server.ts';

const AMD64 = buildImage();
const ARM64 = buildImage({ layers: [tarLayer({ 'arm.txt': 'arm\n' })] });
const INDEX = buildIndex([AMD64, ARM64]);
const BLOBS = [...AMD64.blobs.keys(), ...ARM64.blobs.keys()];

describe('uploading an image', () => {
  const { serve, clientOf } = wireRegistries();
  let folder: string;
  let source: ImageSource;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'countersign-test-'));
    writeOciLayout(folder, INDEX, 'v1');
    source = await openSource(`oci:${folder}`);
  });
  afterEach(async () => {
    await source.close();
    rmSync(folder, { recursive: true });
  });

  /** A registry that keeps what it is given; `hidden` answers the HEAD of every manifest with 403, as a gate does. */
  const registry = async (
    options: { readonly hidden?: boolean; readonly refuseBlobs?: boolean } = {},
  ): Promise<{ server: WireServer; stored: Set<string> }> => {
    const stored = new Set<string>();
    const server = await serve(async (request, response) => {
      const url = new URL(request.url ?? '', 'http://registry');
      const isManifest = url.pathname.includes('/manifests/');
      if (request.method === 'HEAD') {
        const status = options.hidden === true && isManifest ? 403 : 404;
        response.writeHead(stored.has(url.pathname) && status === 404 ? 200 : status).end();
      } else if (request.method === 'POST') {
        if (options.refuseBlobs === true) return answerError(response, 403, 'DENIED', 'no room');
        response.writeHead(202, { location: '/session' }).end();
      } else if (request.method === 'PATCH') {
        await bodyOf(request);
        response.writeHead(202, { location: '/session' }).end();
      } else {
        await bodyOf(request);
        const digest = url.searchParams.get('digest');
        stored.add(digest === null ? url.pathname : `/v2/team/app/blobs/${digest}`);
        response.writeHead(201).end();
      }
    });
    return { server, stored };
  };
  const upload = (
    server: WireServer,
    more: Partial<ImageUpload> = {},
  ): Promise<{ readonly digest: Digest }> =>
    uploadImage({ client: clientOf(server), path: 'team/app', tag: '1.2', source, ...more });
  const puts = (server: WireServer): string[] =>
    server.seen
      .filter(({ line }) => line.startsWith('PUT /v2/'))
      .map(({ line }) => line.slice('PUT /v2/team/app/manifests/'.length));

  it('gives the name last: children, root by digest, signatures, tag', async () => {
    const { server, stored } = await registry();
    let before: string[] = [];
    const done = await upload(server, {
      beforeTag: ({ digest }) => {
        expect(digest).toBe(INDEX.digest);
        before = puts(server);
        return Promise.resolve();
      },
    });
    expect(done.digest).toBe(INDEX.digest);
    expect(before).toEqual([AMD64.digest, ARM64.digest, INDEX.digest]);
    expect(puts(server)).toEqual([...before, '1.2']);
    for (const digest of BLOBS) expect(stored).toContain(`/v2/team/app/blobs/${digest}`);
  });

  it('sends nothing that the registry has', async () => {
    const { server } = await registry();
    await upload(server);
    const sent = server.seen.length;
    const events: UploadEvent['kind'][] = [];
    await upload(server, { onEvent: ({ kind }) => events.push(kind) });
    const again = server.seen.slice(sent).map(({ line }) => line);
    expect(again.filter((line) => !line.startsWith('HEAD'))).toEqual([
      'PUT /v2/team/app/manifests/1.2',
    ]);
    expect(new Set(events)).toEqual(new Set(['found']));
  });

  it('tells how each blob gets on', async () => {
    const { server } = await registry();
    const kinds = new Map<string, string[]>();
    await upload(server, {
      onEvent: (event) =>
        kinds.set(event.blob.digest, [...(kinds.get(event.blob.digest) ?? []), event.kind]),
    });
    expect([...kinds.keys()].toSorted()).toEqual(BLOBS.toSorted());
    for (const list of kinds.values()) {
      expect([list[0], list.at(-1)]).toEqual(['missing', 'uploaded']);
      expect(list).toContain('sent');
    }
  });

  it('gives no tag where signing fails', async () => {
    const { server } = await registry();
    const failure = new Error('wrong passphrase');
    await expect(upload(server, { beforeTag: () => Promise.reject(failure) })).rejects.toBe(
      failure,
    );
    expect(puts(server)).not.toContain('1.2');
  });

  it('gives no tag where none is asked for', async () => {
    const { server } = await registry();
    await upload(server, { tag: null });
    expect(puts(server).at(-1)).toBe(INDEX.digest);
  });

  it('sends nothing of a source with one damaged layer', async () => {
    const [, layer] = [...ARM64.blobs];
    const [digest, bytes] = layer as [Digest, Buffer];
    writeFileSync(join(folder, 'blobs', 'sha256', hexOf(digest)), Buffer.alloc(bytes.length, 'x'));
    const { server, stored } = await registry();
    await expect(upload(server)).rejects.toMatchObject({ code: 'SOURCE_INVALID' });
    expect(stored.size).toBe(0);
    expect(server.seen.filter(({ line }) => !line.startsWith('HEAD'))).toEqual([]);
  });

  it('pushes through a gate that does not show what is not trusted yet', async () => {
    const { server } = await registry({ hidden: true });
    await upload(server);
    expect(puts(server)).toEqual([AMD64.digest, ARM64.digest, INDEX.digest, '1.2']);
  });

  it('ends with the first refusal, and gives no name', async () => {
    const { server } = await registry({ refuseBlobs: true });
    await expect(upload(server, { jobs: 1 })).rejects.toMatchObject({
      code: 'FORBIDDEN',
      message: expect.stringContaining('no room'),
    });
    expect(puts(server)).toEqual([]);
    expect(server.seen.filter(({ line }) => line.startsWith('POST'))).toHaveLength(1);
  });

  it('mounts from the repository that has the blob', async () => {
    const server = await serve((request, response) => {
      const line = `${request.method} ${request.url}`;
      if (line.startsWith('HEAD /v2/other/base/blobs/')) response.writeHead(200).end();
      else if (request.method === 'HEAD') response.writeHead(404).end();
      else response.writeHead(201).end();
    });
    await upload(server, { mountFrom: ['none/such', 'other/base'] });
    const posts = server.seen.filter(({ line }) => line.startsWith('POST'));
    expect(posts).toHaveLength(BLOBS.length);
    for (const { line } of posts) expect(line).toContain('from=other%2Fbase');
  });

  it('stops where it is aborted, before the tag', async () => {
    const controller = new AbortController();
    const { server } = await registry();
    await expect(
      upload(server, {
        signal: controller.signal,
        beforeTag: () => {
          controller.abort(new Error('interrupted'));
          return Promise.resolve();
        },
      }),
    ).rejects.toThrow('interrupted');
    expect(puts(server)).not.toContain('1.2');
  });
});
