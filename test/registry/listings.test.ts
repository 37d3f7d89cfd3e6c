import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Digest } from '../../src/oci/digest.ts';
import { PAGE_LIMIT } from '../../src/oci/paging.ts';
import { fresh, targetAt } from '../support/conformance/target.ts';
import type { Called } from '../support/http-call.ts';
import { call } from '../support/http-call.ts';
import { buildImage, pushBlob, pushImage } from '../support/image.ts';
import type { RunningRegistry } from '../support/registry.ts';
import { startRegistry } from '../support/registry.ts';
import { suiteScope } from '../support/scope.ts';

describe('lists of the embedded registry', () => {
  const scope = suiteScope();
  let root: string;
  let registry: RunningRegistry;

  beforeAll(async () => {
    root = scope.folder();
    registry = scope.own(await startRegistry(root));
  });

  const get = async (target: string): Promise<Called> => call(registry.url, 'GET', target);
  const nextOf = (answer: Called): string | undefined =>
    /^<(\/v2\/[^>]+)>; rel="next"$/.exec(String(answer.headers['link'] ?? ''))?.[1];

  /** Follows the Link headers from the first page to the end. */
  async function pages(first: string): Promise<Called[]> {
    const all: Called[] = [];
    for (let next: string | undefined = first; next !== undefined;) {
      const page: Called = await get(next);
      expect([next, page.status]).toEqual([next, 200]);
      all.push(page);
      next = nextOf(page);
      expect(all.length).toBeLessThan(50);
    }
    return all;
  }

  describe('of repositories', () => {
    const NAMES = ['a', 'a-b', 'a/b', 'a/b/c', 'a/blobs/uploads', 'a0', 'manifests', 'z/tags/list'];
    const namesOf = (page: Called): string[] =>
      (JSON.parse(page.text) as { repositories: string[] }).repositories;
    let url: string;

    beforeAll(async () => {
      const own = scope.own(await startRegistry(join(root, 'catalog')));
      url = own.url;
      for (const name of [...NAMES].reverse()) await pushImage(url, name, buildImage(), 'v1');
      await pushBlob(url, 'only/blobs', fresh());
    });
    const list = async (query: string): Promise<Called> => call(url, 'GET', `/v2/_catalog${query}`);

    it('name all that have manifests, in the order of their full names', async () => {
      expect(namesOf(await list(''))).toEqual([...NAMES].toSorted());
    });

    it('come in pages of n, in the same order', async () => {
      const seen: string[][] = [];
      for (let query: string | undefined = '?n=3'; query !== undefined;) {
        const page: Called = await list(query);
        seen.push(namesOf(page));
        query = nextOf(page)?.replace('/v2/_catalog', '');
      }
      const sorted = NAMES.toSorted();
      expect(seen).toEqual([sorted.slice(0, 3), sorted.slice(3, 6), sorted.slice(6)]);
    });

    it('go on after any name, also one that is no repository', async () => {
      const sorted = NAMES.toSorted();
      for (const last of [...sorted, 'a/', 'a/a', 'a/zzz', 'b', '~', '../x'])
        expect([last, namesOf(await list(`?last=${last}`))]).toEqual([
          last,
          sorted.filter((name) => name > last),
        ]);
    });

    it('are none, without a Link, for n=0', async () => {
      const page = await list('?n=0');
      expect([namesOf(page), page.headers['link']]).toEqual([[], undefined]);
    });
  });

  describe('with hostile parameters', () => {
    const TARGETS = ['/v2/_catalog', '/v2/team/app/tags/list'];
    beforeAll(async () => {
      await pushImage(registry.url, 'team/app', buildImage(), 'v1');
    });

    it.each(['-1', '1e9', '0x10', '1.5', 'x', '%20', '9'.repeat(400)])('n=%s is 400', async (n) => {
      for (const target of TARGETS) {
        const answer = await get(`${target}?n=${n}`);
        expect([answer.status, answer.code]).toEqual([400, 'PAGINATION_NUMBER_INVALID']);
      }
    });

    it('a huge n is answered with what there is, and a huge last is 400', async () => {
      for (const target of TARGETS) {
        expect((await get(`${target}?n=999999999999999`)).status).toBe(200);
        expect((await get(`${target}?last=${'x'.repeat(256)}`)).status).toBe(400);
        expect((await get(`${target}?n=&last=`)).status).toBe(200);
      }
    });

    it('referrers go on only after a digest', async () => {
      const target = `/v2/team/app/referrers/sha256:${'a'.repeat(64)}`;
      expect((await get(`${target}?last=../../x`)).status).toBe(400);
      expect((await get(`${target}?artifactType=${encodeURIComponent('<x>')}`)).status).toBe(200);
    });
  });

  it('tags beyond the bound of one page are reached through the Link', async () => {
    const image = buildImage();
    await pushImage(registry.url, 'many/tags', image, 'v0');
    // Written straight to the folder: a thousand pushes would take too long to say the same.
    const folder = join(root, 'repositories/many/tags/_tags');
    for (let n = 1; n <= PAGE_LIMIT + 10; n++) writeFileSync(join(folder, `v${n}`), image.digest);
    for (const query of ['', '?n=100000']) {
      const all = await pages(`/v2/many/tags/tags/list${query}`);
      const tags = all.map((page) => (JSON.parse(page.text) as { tags: string[] }).tags);
      expect(tags.map((page) => page.length)).toEqual([PAGE_LIMIT, 11]);
      expect(new Set(tags.flat()).size).toBe(PAGE_LIMIT + 11);
    }
  });

  it('referrers that do not fit one manifest come in pages, each filtered', async () => {
    const { repo, url } = targetAt(registry.url);
    const subject = buildImage();
    const pushed: Digest[] = [];
    for (let n = 0; n < 6; n++) {
      const annotations = { large: 'x'.repeat(900_000), n: `${n}` };
      const artifactType = n === 5 ? 'application/x.other' : 'application/x.large';
      const image = buildImage({ layers: [], subject, artifactType, annotations });
      pushed.push(await pushImage(url, repo, image));
    }
    const digestsOf = (page: Called): Digest[] =>
      (JSON.parse(page.text) as { manifests: { digest: Digest }[] }).manifests.map((d) => d.digest);
    const all = await pages(`/v2/${repo}/referrers/${subject.digest}`);
    expect(all.length).toBeGreaterThan(1);
    for (const page of all) expect(page.body.length).toBeLessThanOrEqual(4 * 1024 * 1024);
    expect(all.flatMap(digestsOf)).toEqual(pushed.toSorted());
    const type = encodeURIComponent('application/x.large');
    const some = await pages(`/v2/${repo}/referrers/${subject.digest}?artifactType=${type}`);
    expect(some.length).toBeGreaterThan(1);
    for (const page of some) expect(page.headers['oci-filters-applied']).toBe('artifactType');
    expect(some.flatMap(digestsOf)).toEqual(pushed.slice(0, 5).toSorted());
  });

  it('an entry that a killed process left for a manifest that never came is not listed', async () => {
    const { repo, url, send } = targetAt(registry.url);
    const subject = buildImage();
    const referrer = buildImage({ layers: [], subject });
    await pushImage(url, repo, subject);
    const hex = (digest: Digest): string => digest.replace(':', '-');
    const folder = join(root, 'repositories', repo, '_referrers', hex(subject.digest));
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, hex(referrer.digest)), '{}');
    const listed = await send('GET', `referrers/${subject.digest}`);
    expect((JSON.parse(listed.text) as { manifests: [] }).manifests).toEqual([]);
  });
});
