import { expect } from 'vitest';
import { buildImage, pushBlob, pushImage } from '../image.ts';
import { call } from '../http-call.ts';
import type { Row } from './target.ts';
import { fresh, noDigest } from './target.ts';

/** distribution-spec 1.1, "Pull". */
export const PULL: readonly Row[] = [
  {
    title: 'GET /v2/ answers 200',
    run: async ({ url }) => {
      expect((await call(url, 'GET', '/v2/')).status).toBe(200);
    },
  },
  {
    title: 'a manifest is served by tag and by digest with its exact bytes, type and digest',
    run: async ({ url, repo, send }) => {
      const image = buildImage();
      await pushImage(url, repo, image, 'v1');
      for (const reference of ['v1', image.digest]) {
        const got = await send('GET', `manifests/${reference}`, {
          headers: { Accept: image.mediaType },
        });
        expect(got.status).toBe(200);
        expect(got.body).toEqual(image.manifest);
        expect(got.headers['content-type']).toBe(image.mediaType);
        expect(got.headers['docker-content-digest']).toBe(image.digest);
      }
    },
  },
  {
    title: 'HEAD of a manifest answers as GET does, without the body',
    run: async ({ url, repo, send }) => {
      const image = buildImage();
      await pushImage(url, repo, image, 'v1');
      for (const reference of ['v1', image.digest]) {
        const got = await send('HEAD', `manifests/${reference}`, {
          headers: { Accept: image.mediaType },
        });
        expect(got.status).toBe(200);
        expect(got.body).toHaveLength(0);
        expect(got.headers['content-length']).toBe(String(image.manifest.length));
        expect(got.headers['content-type']).toBe(image.mediaType);
        expect(got.headers['docker-content-digest']).toBe(image.digest);
      }
    },
  },
  {
    title: 'a manifest that is not there is 404 by GET and HEAD, by tag and by digest',
    run: async ({ url, repo, send }) => {
      await pushImage(url, repo, buildImage(), 'v1');
      for (const reference of ['absent', noDigest()]) {
        const got = await send('GET', `manifests/${reference}`);
        expect([got.status, got.code]).toEqual([404, 'MANIFEST_UNKNOWN']);
        expect(got.headers['content-type']).toMatch(/^application\/json/);
        expect((await send('HEAD', `manifests/${reference}`)).status).toBe(404);
      }
    },
  },
  {
    title: 'a manifest of a repository that is not there is 404',
    run: async ({ send }) => {
      expect((await send('GET', 'manifests/v1')).status).toBe(404);
    },
  },
  {
    title: 'a blob is served with its exact bytes, length and digest; HEAD without the bytes',
    run: async ({ url, repo, send }) => {
      const bytes = fresh(3000);
      const digest = await pushBlob(url, repo, bytes);
      const got = await send('GET', `blobs/${digest}`);
      expect([got.status, got.body]).toEqual([200, bytes]);
      const head = await send('HEAD', `blobs/${digest}`);
      expect([head.status, head.body.length]).toEqual([200, 0]);
      for (const { headers } of [got, head]) {
        expect(headers['content-length']).toBe('3000');
        expect(headers['docker-content-digest']).toBe(digest);
      }
    },
  },
  {
    title: 'a blob that is not there is 404',
    run: async ({ send }) => {
      const digest = noDigest();
      const got = await send('GET', `blobs/${digest}`);
      expect([got.status, got.code]).toEqual([404, 'BLOB_UNKNOWN']);
      expect((await send('HEAD', `blobs/${digest}`)).status).toBe(404);
    },
  },
  {
    title: 'a byte range of a blob is 206 with exactly that part',
    run: async ({ url, repo, send }) => {
      const bytes = fresh(2048);
      const digest = await pushBlob(url, repo, bytes);
      const cases: [string, number, number][] = [
        ['500-1499', 500, 1500],
        ['500-', 500, 2048],
        ['-500', 1548, 2048],
        ['2000-5000', 2000, 2048],
        ['0-0', 0, 1],
      ];
      for (const [range, from, to] of cases) {
        const got = await send('GET', `blobs/${digest}`, { headers: { Range: `bytes=${range}` } });
        expect([range, got.status]).toEqual([range, 206]);
        expect(got.body).toEqual(bytes.subarray(from, to));
        expect(got.headers['content-range']).toBe(`bytes ${from}-${to - 1}/2048`);
        expect(got.headers['content-length']).toBe(String(to - from));
      }
    },
  },
  {
    title: 'a range outside a blob is 416 with an answer of the length it says',
    run: async ({ url, repo, send }) => {
      const digest = await pushBlob(url, repo, fresh(2048));
      const got = await send('GET', `blobs/${digest}`, { headers: { Range: 'bytes=5000-10000' } });
      expect(got.status).toBe(416);
      expect(got.headers['content-length']).toBe(String(got.body.length));
      expect(got.headers['content-range']).toBe('bytes */2048');
    },
  },
  {
    title: 'what is no name, tag or digest is 400 or 404, and no manifest or blob',
    run: async ({ url, repo, send }) => {
      await pushImage(url, repo, buildImage(), 'v1');
      const statuses = [
        await send('GET', `manifests/${'a'.repeat(129)}`),
        await send('GET', 'manifests/.v1'),
        await send('GET', 'manifests/-v1'),
        await call(url, 'GET', `/v2/${repo.toUpperCase()}/manifests/v1`),
        await call(url, 'GET', `/v2/${repo}-/manifests/v1`),
      ].map((answer) => answer.status);
      for (const status of statuses) expect([400, 404]).toContain(status);
    },
  },
  {
    title: 'a refusal is JSON with a code in capitals and a message',
    run: async ({ send }) => {
      for (const rest of ['manifests/absent', `manifests/${noDigest()}`, `blobs/${noDigest()}`]) {
        const got = await send('GET', rest);
        expect(got.headers['content-type']).toMatch(/^application\/json/);
        const { errors } = JSON.parse(got.text) as { errors: { code: string; message: unknown }[] };
        expect(errors.length).toBeGreaterThan(0);
        for (const { code, message } of errors)
          expect([/^[A-Z_]+$/.test(code), typeof message]).toEqual([true, 'string']);
      }
    },
  },
];
