import { expect } from 'vitest';
import type { Descriptor } from '../../../src/oci/manifest.ts';
import { MEDIA } from '../../../src/oci/media-types.ts';
import type { Called } from '../http-call.ts';
import { buildImage, buildIndex, pushImage } from '../image.ts';
import type { Row, Target } from './target.ts';
import { noDigest } from './target.ts';

// Enough of them that a registry which lists in no order cannot get it right by luck.
const IN_ORDER = ['0.9', '_a', 'a', 'b', 'b1', 'b10', 'b2', 'c', 'latest', 'v1', 'v1-rc', 'v1.1'];
const ARTIFACT = 'application/vnd.example.sbom';

async function pushTags({ url, repo }: Target, tags: readonly string[]): Promise<void> {
  for (const tag of tags) await pushImage(url, repo, buildImage(), tag);
}

const tagsOf = (answer: Called): string[] => (JSON.parse(answer.text) as { tags: string[] }).tags;
const nextOf = (answer: Called): string | undefined =>
  /^<([^>]+)>; *rel="?next"?/.exec(String(answer.headers['link'] ?? ''))?.[1];

function indexOf(answer: Called): readonly Descriptor[] {
  expect(answer.status).toBe(200);
  expect(answer.headers['content-type']).toBe(MEDIA.ociIndex);
  const index = JSON.parse(answer.text) as {
    schemaVersion: number;
    mediaType: string;
    manifests: Descriptor[];
  };
  expect([index.schemaVersion, index.mediaType]).toEqual([2, MEDIA.ociIndex]);
  return index.manifests;
}

/** distribution-spec 1.1, "Content Discovery". */
export const DISCOVERY: readonly Row[] = [
  {
    title: 'tags are listed with the name of the repository, in order',
    run: async (target) => {
      await pushTags(target, [...IN_ORDER].reverse());
      const list = await target.send('GET', 'tags/list');
      expect(JSON.parse(list.text)).toEqual({
        name: target.repo,
        tags: IN_ORDER,
      });
    },
  },
  {
    title: 'the order of tags ignores case',
    run: async (target) => {
      const tags = IN_ORDER.map((tag, index) => (index % 2 === 0 ? tag.toUpperCase() : tag));
      await pushTags(target, [...tags].reverse());
      expect(tagsOf(await target.send('GET', 'tags/list'))).toEqual(tags);
    },
  },
  {
    title: 'the tags of a repository that is not there are 404',
    run: async ({ send }) => {
      expect((await send('GET', 'tags/list')).status).toBe(404);
    },
  },
  {
    title: 'n and the Link to the next page walk through all tags',
    run: async (target) => {
      const all = ['t1', 't2', 't3', 't4', 't5'];
      await pushTags(target, all);
      const pages: string[][] = [];
      let next: string | undefined = 'tags/list?n=2';
      while (next !== undefined && pages.length < 9) {
        const page: Called = await target.send('GET', next);
        expect(page.status).toBe(200);
        pages.push(tagsOf(page));
        next = nextOf(page)?.replace(/^.*?tags\/list/, 'tags/list');
      }
      expect(pages).toEqual([['t1', 't2'], ['t3', 't4'], ['t5']]);
    },
  },
  {
    title: 'n=0 is an empty list without a Link',
    run: async (target) => {
      await pushTags(target, ['t1', 't2']);
      const page = await target.send('GET', 'tags/list?n=0');
      expect([page.status, tagsOf(page), page.headers['link']]).toEqual([200, [], undefined]);
    },
  },
  {
    title: 'last leaves out that tag and all before it, also where it is not a tag',
    run: async (target) => {
      await pushTags(target, ['t1', 't2', 't4']);
      expect(tagsOf(await target.send('GET', 'tags/list?last=t1'))).toEqual(['t2', 't4']);
      expect(tagsOf(await target.send('GET', 'tags/list?last=t3'))).toEqual(['t4']);
    },
  },
  {
    title: 'referrers of what has none, or is not there, are an empty index',
    run: async (target) => {
      expect(indexOf(await target.send('GET', `referrers/${noDigest()}`))).toEqual([]);
      const image = buildImage();
      await pushImage(target.url, target.repo, image, 'v1');
      expect(indexOf(await target.send('GET', `referrers/${image.digest}`))).toEqual([]);
    },
  },
  {
    title: 'referrers are listed with artifactType (else the config type) and annotations',
    run: async (target) => {
      const { url, repo } = target;
      const image = buildImage();
      const annotations = { 'org.example.note': 'x' };
      const typed = buildImage({ subject: image, artifactType: ARTIFACT, annotations });
      const untyped = buildImage({ subject: image });
      const index = buildIndex([], { subject: image, annotations });
      for (const one of [image, typed, untyped, index]) await pushImage(url, repo, one);
      const listed = indexOf(await target.send('GET', `referrers/${image.digest}`));
      const byDigest = new Map(listed.map((d) => [d.digest, d]));
      expect(byDigest.get(typed.digest)).toEqual({
        mediaType: typed.mediaType,
        digest: typed.digest,
        size: typed.manifest.length,
        artifactType: ARTIFACT,
        annotations,
      });
      expect(byDigest.get(untyped.digest)?.artifactType).toBe(MEDIA.ociConfig);
      expect(byDigest.get(index.digest)).not.toHaveProperty('artifactType');
      expect(listed).toHaveLength(3);
    },
  },
  {
    title: 'referrers are filtered by artifactType, and the answer says so',
    run: async (target) => {
      const { url, repo } = target;
      const image = buildImage();
      const typed = buildImage({ subject: image, artifactType: ARTIFACT });
      for (const one of [image, typed, buildImage({ subject: image })])
        await pushImage(url, repo, one);
      const query = `artifactType=${encodeURIComponent(ARTIFACT)}`;
      const got = await target.send('GET', `referrers/${image.digest}?${query}`);
      expect(indexOf(got).map((d) => d.digest)).toEqual([typed.digest]);
      expect(got.headers['oci-filters-applied']).toBe('artifactType');
    },
  },
  {
    title: 'referrers of a malformed digest are 400',
    run: async ({ send }) => {
      expect((await send('GET', 'referrers/sha256:baddigeststring')).status).toBe(400);
    },
  },
  {
    title: 'n larger than the number of tags is all of them without a Link',
    run: async (target) => {
      await pushTags(target, ['t1', 't2']);
      const page = await target.send('GET', 'tags/list?n=10');
      expect([tagsOf(page), page.headers['link']]).toEqual([['t1', 't2'], undefined]);
    },
  },
  {
    title: 'a list of tags is JSON, also of a repository whose tags are gone',
    run: async (target) => {
      const image = buildImage();
      await pushImage(target.url, target.repo, image);
      const list = await target.send('GET', 'tags/list');
      expect(list.headers['content-type']).toMatch(/^application\/json/);
      expect(list.status).toBe(200);
      expect(tagsOf(list) ?? []).toEqual([]);
    },
  },
  {
    title: 'a filter that nothing matches is an empty index',
    run: async (target) => {
      const { url, repo } = target;
      const image = buildImage();
      for (const one of [image, buildImage({ subject: image, artifactType: ARTIFACT })])
        await pushImage(url, repo, one);
      const query = 'artifactType=application%2Fvnd.example.nothing';
      expect(indexOf(await target.send('GET', `referrers/${image.digest}?${query}`))).toEqual([]);
    },
  },
  {
    title: 'a referrer that was pushed before its subject is listed',
    run: async (target) => {
      const { url, repo } = target;
      const image = buildImage({ annotations: { n: noDigest() } });
      const early = buildImage({ subject: image, artifactType: ARTIFACT });
      for (const one of [early, image]) await pushImage(url, repo, one);
      const listed = indexOf(await target.send('GET', `referrers/${image.digest}`));
      expect(listed.map((d) => d.digest)).toEqual([early.digest]);
    },
  },
];
