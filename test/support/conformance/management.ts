import { expect } from 'vitest';
import { buildImage, pushBlob, pushImage } from '../image.ts';
import type { Row } from './target.ts';
import { fresh, noDigest } from './target.ts';

/** distribution-spec 1.1, "Content Management". */
export const MANAGEMENT: readonly Row[] = [
  {
    title: 'a deleted tag is 202 and then 404; the manifest stays by digest',
    run: async ({ url, repo, send }) => {
      const image = buildImage();
      await pushImage(url, repo, image, 'v1');
      await pushImage(url, repo, image, 'v2');
      expect((await send('DELETE', 'manifests/v1')).status).toBe(202);
      expect((await send('HEAD', 'manifests/v1')).status).toBe(404);
      const accept = { headers: { Accept: image.mediaType } };
      for (const reference of ['v2', image.digest])
        expect((await send('HEAD', `manifests/${reference}`, accept)).status).toBe(200);
    },
  },
  {
    title: 'a deleted manifest is 202 and then 404, by digest and by its tags, also in the list',
    run: async ({ url, repo, send }) => {
      const image = buildImage();
      await pushImage(url, repo, image, 'v1');
      await pushImage(url, repo, buildImage({ annotations: { n: '2' } }), 'v2');
      expect((await send('DELETE', `manifests/${image.digest}`)).status).toBe(202);
      for (const reference of ['v1', image.digest])
        expect((await send('GET', `manifests/${reference}`)).status).toBe(404);
      expect(
        (JSON.parse((await send('GET', 'tags/list')).text) as { tags: string[] }).tags,
      ).toEqual(['v2']);
    },
  },
  {
    title: 'a deleted referrer is no longer listed',
    run: async ({ url, repo, send }) => {
      const image = buildImage();
      const referrer = buildImage({ subject: image, artifactType: 'application/x.test' });
      for (const one of [image, referrer]) await pushImage(url, repo, one);
      const list = async (): Promise<number> =>
        (JSON.parse((await send('GET', `referrers/${image.digest}`)).text) as { manifests: [] })
          .manifests.length;
      expect(await list()).toBe(1);
      expect((await send('DELETE', `manifests/${referrer.digest}`)).status).toBe(202);
      expect(await list()).toBe(0);
    },
  },
  {
    title: 'deleting a manifest or a repository that is not there is 404',
    run: async ({ url, repo, send }) => {
      expect((await send('DELETE', `manifests/${noDigest()}`)).status).toBe(404);
      await pushImage(url, repo, buildImage(), 'v1');
      expect((await send('DELETE', `manifests/${noDigest()}`)).status).toBe(404);
    },
  },
  {
    title: 'a deleted blob is 202 and then 404; one that is not there is 404',
    run: async ({ url, repo, send }) => {
      const digest = await pushBlob(url, repo, fresh());
      expect((await send('DELETE', `blobs/${digest}`)).status).toBe(202);
      expect((await send('GET', `blobs/${digest}`)).status).toBe(404);
      expect((await send('DELETE', `blobs/${digest}`)).status).toBe(404);
      expect((await send('DELETE', `blobs/${noDigest()}`)).status).toBe(404);
    },
  },
  {
    title: 'deleting a tag that is not there is 404, or not supported',
    run: async ({ url, repo, send }) => {
      await pushImage(url, repo, buildImage(), 'v1');
      expect([400, 404, 405]).toContain((await send('DELETE', 'manifests/absent')).status);
      expect((await send('HEAD', 'manifests/v1')).status).not.toBe(500);
    },
  },
  {
    title: 'what was deleted can be pushed again',
    run: async ({ url, repo, send }) => {
      const image = buildImage();
      await pushImage(url, repo, image, 'v1');
      expect((await send('DELETE', `manifests/${image.digest}`)).status).toBe(202);
      await pushImage(url, repo, image, 'v1');
      const got = await send('GET', 'manifests/v1', { headers: { Accept: image.mediaType } });
      expect([got.status, got.body]).toEqual([200, image.manifest]);
    },
  },
];
