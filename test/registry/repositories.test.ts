import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Digest } from '../../src/oci/digest.ts';
import { digestOf, hexOf } from '../../src/oci/digest.ts';
import { MEDIA } from '../../src/oci/media-types.ts';
import { fresh, noDigest, targetAt } from '../support/conformance/target.ts';
import { damagedContent } from '../support/content-folder.ts';
import type { Called } from '../support/http-call.ts';
import { call } from '../support/http-call.ts';
import type { TestImage } from '../support/image.ts';
import { buildImage, buildIndex, pushBlob, pushImage } from '../support/image.ts';
import type { RunningRegistry } from '../support/registry.ts';
import { startRegistry } from '../support/registry.ts';
import { suiteScope } from '../support/scope.ts';

describe('repositories of the embedded registry', () => {
  const scope = suiteScope();
  let root: string;
  let registry: RunningRegistry;

  beforeAll(async () => {
    root = scope.folder();
    registry = scope.own(await startRegistry(root));
  });

  const fresher = () => targetAt(registry.url);
  const put = async (
    repo: string,
    reference: string,
    body: Buffer | string,
    type: string = MEDIA.ociManifest,
  ): Promise<Called> =>
    call(registry.url, 'PUT', `/v2/${repo}/manifests/${reference}`, {
      body,
      headers: { 'Content-Type': type },
    });

  describe('blobs', () => {
    it('are read only where they were pushed or mounted', async () => {
      const [a, b] = [fresher(), fresher()];
      const digest = await pushBlob(a.url, a.repo, fresh());
      for (const method of ['GET', 'HEAD', 'DELETE'])
        expect((await b.send(method, `blobs/${digest}`)).status).toBe(404);
      await b.send('POST', `blobs/uploads/?mount=${digest}&from=${a.repo}`);
      expect((await b.send('GET', `blobs/${digest}`)).status).toBe(200);
    });

    it('are not drawn from an unnamed repository by their digest alone', async () => {
      const [a, b] = [fresher(), fresher()];
      const digest = await pushBlob(a.url, a.repo, fresh());
      const opened = await b.send('POST', `blobs/uploads/?mount=${digest}`);
      expect(opened.status).toBe(202);
      expect((await b.send('GET', `blobs/${digest}`)).status).toBe(404);
    });

    it('are not mounted from a repository that no longer has them', async () => {
      const [a, b] = [fresher(), fresher()];
      const digest = await pushBlob(a.url, a.repo, fresh());
      await a.send('DELETE', `blobs/${digest}`);
      const opened = await b.send('POST', `blobs/uploads/?mount=${digest}&from=${a.repo}`);
      expect(opened.status).toBe(202);
      expect((await b.send('HEAD', `blobs/${digest}`)).status).toBe(404);
    });

    it('stay where another repository has them when one deletes its own', async () => {
      const [a, b] = [fresher(), fresher()];
      const bytes = fresh();
      const digest = await pushBlob(a.url, a.repo, bytes);
      await pushBlob(b.url, b.repo, bytes);
      await a.send('DELETE', `blobs/${digest}`);
      expect((await b.send('GET', `blobs/${digest}`)).body).toEqual(bytes);
    });

    it('and manifests are apart: neither is served as the other', async () => {
      const { url, repo, send } = fresher();
      const image = buildImage();
      await pushImage(url, repo, image, 'v1');
      expect((await send('GET', `blobs/${image.digest}`)).status).toBe(404);
      for (const digest of image.blobs.keys())
        expect((await send('GET', `manifests/${digest}`)).status).toBe(404);
    });

    it('refuse a mount from what is no repository name', async () => {
      const { send } = fresher();
      for (const from of ['../x', '_blobs', 'a%2F..%2Fb', '']) {
        const answer = await send('POST', `blobs/uploads/?mount=${noDigest()}&from=${from}`);
        expect([from, answer.status, answer.code]).toEqual([from, 400, 'NAME_INVALID']);
      }
      const answer = await send('POST', 'blobs/uploads/?mount=sha256:../../x&from=a');
      expect([answer.status, answer.code]).toEqual([400, 'DIGEST_INVALID']);
    });
  });

  describe('manifests', () => {
    it('need their config and layers in the same repository, in the size they say', async () => {
      const [a, b] = [fresher(), fresher()];
      const image = buildImage();
      await pushImage(a.url, a.repo, image, 'v1');
      const missing = await put(b.repo, 'v1', image.manifest);
      expect([missing.status, missing.code]).toEqual([400, 'MANIFEST_BLOB_UNKNOWN']);
      const text = image.manifest.toString().replace(/"size":[0-9]+/, '"size":5');
      const lying = await put(a.repo, 'v2', text);
      expect([lying.status, lying.code]).toEqual([400, 'SIZE_INVALID']);
      expect((await a.send('HEAD', 'manifests/v2')).status).toBe(404);
    });

    it('may be indexes of children that are not there', async () => {
      const { repo } = fresher();
      const index = buildIndex([buildImage()]);
      expect((await put(repo, 'v1', index.manifest, MEDIA.ociIndex)).status).toBe(201);
    });

    it('of a type, shape or JSON that could be read in two ways are refused and change nothing', async () => {
      const { url, repo, send } = fresher();
      const image = buildImage();
      await pushImage(url, repo, image, 'v1');
      const text = image.manifest.toString();
      const cases: [string, string | Buffer, string][] = [
        ['another type', text, MEDIA.dockerManifest],
        ['both shapes', text.replace('"layers"', '"manifests":[],"layers"'), MEDIA.ociManifest],
        ['a key twice', text.replace('{', '{"schemaVersion":2,'), MEDIA.ociManifest],
        ['trailing bytes', `${text}{}`, MEDIA.ociManifest],
        ['schema 1', '{"schemaVersion":1}', MEDIA.ociManifest],
        ['no JSON', 'no', MEDIA.ociManifest],
        ['nothing', '', MEDIA.ociManifest],
        ['no UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), MEDIA.ociManifest],
        ['an unknown type', '{"schemaVersion":2}', 'text/html'],
        ['deep nesting', `{"x":${'['.repeat(5000)}${']'.repeat(5000)}}`, MEDIA.ociManifest],
      ];
      for (const [what, body, type] of cases) {
        const answer = await put(repo, 'v1', body, type);
        expect([what, answer.status, answer.code]).toEqual([what, 400, 'MANIFEST_INVALID']);
      }
      expect((await send('GET', 'manifests/v1')).body).toEqual(image.manifest);
    });

    it('without a Content-Type are told by their mediaType', async () => {
      const { url, repo, send } = fresher();
      const image = buildImage({ family: 'docker' });
      await pushImage(url, repo, image);
      const answer = await send('PUT', 'manifests/v1', { body: image.manifest });
      expect(answer.status).toBe(201);
      expect((await send('HEAD', 'manifests/v1')).headers['content-type']).toBe(image.mediaType);
    });

    it('pushed by digest take the tags of the query, all or none', async () => {
      const { url, repo, send } = fresher();
      const image = buildImage();
      await pushImage(url, repo, image);
      const { digest, manifest } = image;
      const many = Array.from({ length: 51 }, (_, n) => `tag=t${n}`).join('&');
      for (const [query, code] of [
        ['tag=good&tag=../bad', 'TAG_INVALID'],
        ['tag=good&tag=', 'TAG_INVALID'],
        [many, 'UNSUPPORTED'],
      ]) {
        const answer = await put(repo, `${digest}?${query}`, manifest);
        expect([answer.status, answer.code]).toEqual([400, code]);
      }
      const both = await put(repo, 'v1?tag=v2', manifest);
      expect([both.status, both.code]).toEqual([400, 'UNSUPPORTED']);
      expect((JSON.parse((await send('GET', 'tags/list')).text) as { tags: [] }).tags).toEqual([]);
      const good = await put(repo, `${digest}?tag=a&tag=b&tag=a`, manifest);
      expect([good.status, good.headers['oci-tag']]).toEqual([201, 'a, b']);
      for (const tag of ['a', 'b'])
        expect((await send('HEAD', `manifests/${tag}`)).headers['docker-content-digest']).toBe(
          digest,
        );
    });

    it('that were deleted do not come back to life under their old tags', async () => {
      const { url, repo, send } = fresher();
      const image = buildImage();
      await pushImage(url, repo, image, 'old');
      await send('DELETE', `manifests/${image.digest}`);
      await pushImage(url, repo, image, 'new');
      expect((await send('HEAD', 'manifests/old')).status).toBe(404);
      expect((await send('HEAD', 'manifests/new')).status).toBe(200);
    });

    it('that the disk gives back damaged are not served, and a new push mends them', async () => {
      const own = scope.own(await startRegistry(join(root, 'damaged')));
      const image = buildImage();
      await pushImage(own.url, 'a', image, 'v1');
      const hex = hexOf(image.digest);
      writeFileSync(join(root, 'damaged/blobs/sha256', hex.slice(0, 2), hex), '{}');
      expect(damagedContent(join(root, 'damaged'))).toHaveLength(1);
      for (const method of ['GET', 'HEAD'])
        expect((await call(own.url, method, '/v2/a/manifests/v1')).status).toBe(500);
      expect(own.errors).toHaveLength(2);
      await pushImage(own.url, 'a', image, 'v1');
      expect((await call(own.url, 'GET', '/v2/a/manifests/v1')).body).toEqual(image.manifest);
    });
  });

  describe('at the same time', () => {
    it('one blob pushed by many is there once and whole', async () => {
      const bytes = fresh(200_000);
      const targets = Array.from({ length: 12 }, fresher);
      await Promise.all(targets.map(async ({ url, repo }) => pushBlob(url, repo, bytes)));
      await Promise.all(targets.map(async ({ url }) => pushBlob(url, 'shared/app', bytes)));
      for (const { send } of targets)
        expect((await send('GET', `blobs/${digestOf(bytes)}`)).body.equals(bytes)).toBe(true);
    });

    it('one tag moved by many names one of them, and each stays by digest', async () => {
      const { url, repo, send } = fresher();
      const images = Array.from({ length: 12 }, (_, n) =>
        buildImage({ annotations: { n: `${n}` } }),
      );
      await Promise.all(images.map(async (image) => pushImage(url, repo, image, 'latest')));
      const got = await send('GET', 'manifests/latest');
      expect(images.map((image) => image.digest)).toContain(
        got.headers['docker-content-digest'] as Digest,
      );
      for (const image of images)
        expect((await send('GET', `manifests/${image.digest}`)).body).toEqual(image.manifest);
    });

    it('a push and a delete of one manifest never leave a tag that names nothing', async () => {
      const { url, repo, send } = fresher();
      const image = buildImage();
      await pushImage(url, repo, image);
      for (let round = 0; round < 15; round++) {
        await Promise.all([
          put(repo, 'v1', image.manifest),
          send('DELETE', `manifests/${image.digest}`),
          put(repo, 'v2', image.manifest),
        ]);
        const list = JSON.parse((await send('GET', 'tags/list')).text) as { tags: string[] };
        for (const tag of list.tags)
          expect((await send('HEAD', `manifests/${tag}`)).status).toBe(200);
      }
    });

    it('referrers of one subject are all listed', async () => {
      const { url, repo, send } = fresher();
      const subject = buildImage();
      const referrers: TestImage[] = Array.from({ length: 12 }, (_, n) =>
        buildImage({ layers: [], subject, annotations: { n: `${n}` } }),
      );
      await Promise.all(referrers.map(async (image) => pushImage(url, repo, image)));
      const listed = JSON.parse((await send('GET', `referrers/${subject.digest}`)).text) as {
        manifests: { digest: Digest }[];
      };
      expect(listed.manifests.map((d) => d.digest).toSorted()).toEqual(
        referrers.map((image) => image.digest).toSorted(),
      );
    });
  });
});
