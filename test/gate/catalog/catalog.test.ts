import { describe, expect, it } from 'vitest';
import { Cursors } from '../../../src/gate/catalog/cursor.ts';
import type { Attacked } from '../../support/attacked.ts';
import { as, attackedGates } from '../../support/attacked.ts';
import type { Called } from '../../support/http-call.ts';
import { buildImage, pushImage } from '../../support/image.ts';
import { answerError } from '../../support/wire-server.ts';

const ACCESS = `  - { repositories: ["\${registry}/team/**"], pull: [ci] }
  - { repositories: ["\${registry}/team/open-*"], pull: [dev, anonymous] }
  - { repositories: ["\${registry}/**"], admin: [boss] }
`;

const OPEN = ['team/open-1', 'team/open-2', 'team/open-3'];
const ALL = ['a/hidden', ...OPEN, 'team/secret', 'zoo/hidden'].toSorted();

const namesOf = (answer: Called): string[] =>
  (JSON.parse(answer.text) as { repositories: string[] }).repositories;
const nextOf = (answer: Called): string | undefined =>
  /^<[^>]*(\/v2\/[^>]+)>; rel="next"$/.exec(String(answer.headers['link'] ?? ''))?.[1];

describe('the catalog', () => {
  const attacked = attackedGates();
  const image = buildImage();

  async function stocked(access?: string): Promise<Attacked> {
    const gate = await attacked(access === undefined ? {} : { access });
    for (const path of ALL) await pushImage(gate.registry, path, image, '1');
    return gate;
  }

  /** All pages from a first one on. */
  async function walk(gate: Attacked, first: string, headers = {}): Promise<string[][]> {
    const pages: string[][] = [];
    let next: string | undefined = first;
    while (next !== undefined && pages.length < 50) {
      const page: Called = await gate.call('GET', next, { headers });
      expect([next, page.status]).toEqual([next, 200]);
      pages.push(namesOf(page));
      next = nextOf(page);
    }
    return pages;
  }

  /** A registry of so many repositories, of which only `team/open-…` are named. */
  function answerMany(gate: Attacked, names: readonly string[]): void {
    gate.fault((request, response) => {
      const url = new URL(request.url ?? '', 'http://upstream');
      if (url.pathname !== '/v2/_catalog') return false;
      const last = url.searchParams.get('last') ?? '';
      const n = Number(url.searchParams.get('n'));
      const rest = names.filter((name) => name > last);
      const repositories = rest.slice(0, n);
      if (rest.length > n) {
        const query = new URLSearchParams({ last: repositories.at(-1) ?? '', n: String(n) });
        response.setHeader('link', `</v2/_catalog?${query.toString()}>; rel="next"`);
      }
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ repositories }));
      return true;
    });
  }

  it('shows each caller exactly the repositories that they may pull', async () => {
    const gate = await stocked(ACCESS);
    const shown = async (headers = {}): Promise<string[]> =>
      namesOf(await gate.call('GET', '/v2/_catalog', { headers }));
    expect(await shown(as('boss'))).toEqual(ALL);
    expect(await shown(as('ci'))).toEqual([...OPEN, 'team/secret']);
    expect(await shown(as('dev'))).toEqual(OPEN);
    expect(await shown()).toEqual(OPEN);
    const wrong = { authorization: `Basic ${Buffer.from('ci:wrong').toString('base64')}` };
    expect((await gate.call('GET', '/v2/_catalog', { headers: wrong })).status).toBe(401);
  });

  it('asks for a login where nobody in particular may pull anything, and is empty for who may pull nothing', async () => {
    const gate = await stocked(`  - { repositories: ["\${registry}/team/**"], pull: [ci] }\n`);
    const stranger = await gate.call('GET', '/v2/_catalog');
    expect([stranger.status, stranger.headers['www-authenticate'] !== undefined]).toEqual([
      401,
      true,
    ]);
    gate.asked();
    const nothing = await gate.call('GET', '/v2/_catalog', { headers: as('dev') });
    expect([nothing.status, namesOf(nothing), nextOf(nothing)]).toEqual([200, [], undefined]);
    expect(gate.asked()).toEqual([]);
  });

  it.each([1, 2, 3, 4, 1000])(
    'in pages of %i is the same, and tells of nothing between',
    async (n) => {
      const gate = await stocked(ACCESS);
      const pages = await walk(gate, `/v2/_catalog?n=${n}`, as('dev'));
      expect(pages.flat()).toEqual(OPEN);
      // Full pages, and no page more than that: what is hidden shows in no number of pages either.
      expect(pages.map((page) => page.length)).toEqual(
        Array.from({ length: Math.ceil(3 / n) }, (_, at) => Math.min(n, 3 - at * n)),
      );
      for (const link of pages.keys()) expect(pages[link]?.join()).not.toContain('hidden');
    },
  );

  it('goes on after a name that the client gives, whether it is there or not', async () => {
    const gate = await stocked(ACCESS);
    const after = async (last: string): Promise<string[]> =>
      namesOf(await gate.call('GET', `/v2/_catalog?last=${last}`, { headers: as('dev') }));
    expect(await after('team/open-1')).toEqual(OPEN.slice(1));
    expect(await after('team/open-15')).toEqual(OPEN.slice(1));
    expect(await after('team%2Fopen-3')).toEqual([]);
    expect(await after('zzz')).toEqual([]);
  });

  it('with n=0 is an empty list without a Link; n that is no number is 400 and asked of nobody', async () => {
    for (const access of [undefined, ACCESS]) {
      const gate = await stocked(access);
      const headers = access === undefined ? {} : as('dev');
      const none = await gate.call('GET', '/v2/_catalog?n=0', { headers });
      expect([none.status, namesOf(none), nextOf(none)]).toEqual([200, [], undefined]);
      gate.asked();
      for (const query of ['n=-1', 'n=x', 'n=1e3', 'n=0x10', 'n=1.5', `n=${'9'.repeat(16)}`]) {
        for (const path of ['/v2/_catalog', '/v2/team/open-1/tags/list']) {
          const answer = await gate.call('GET', `${path}?${query}`, { headers });
          expect([query, answer.status, answer.code]).toEqual([
            query,
            400,
            'PAGINATION_NUMBER_INVALID',
          ]);
        }
      }
      expect(gate.asked()).toEqual([]);
    }
  });

  it('T-68: passes no n over a thousand on, and each parameter once', async () => {
    const gate = await stocked();
    gate.asked();
    for (const path of ['/v2/_catalog', '/v2/team/open-1/tags/list']) {
      expect((await gate.call('GET', `${path}?n=999999999&last=a&n=5&x=y`)).status).toBe(200);
      expect(gate.asked()).toEqual([`GET ${path}?n=1000&last=a`]);
    }
  });

  it("without identities is upstream's own answer", async () => {
    const gate = await stocked();
    expect((await walk(gate, '/v2/_catalog?n=4')).map((page) => page.length)).toEqual([4, 2]);
    gate.fault((_request, response) => {
      answerError(response, 401, 'UNAUTHORIZED', 'not you');
      return true;
    });
    expect((await gate.call('GET', '/v2/_catalog')).status).toBe(401);
  });

  it('T-68: asks upstream a bounded number of times, and goes on at a mark that tells nothing', async () => {
    const gate = await attacked({ access: ACCESS });
    const hidden = Array.from({ length: 45_000 }, (_, at) => `m/${String(at).padStart(5, '0')}`);
    answerMany(gate, [...hidden, ...OPEN]);
    gate.asked();
    const pages: Called[] = [];
    let next: string | undefined = '/v2/_catalog?n=2';
    while (next !== undefined && pages.length < 9) {
      const page: Called = await gate.call('GET', next, { headers: as('dev') });
      expect(page.status).toBe(200);
      expect(gate.asked().length).toBeLessThanOrEqual(20);
      pages.push(page);
      next = nextOf(page);
    }
    expect(pages.map(namesOf)).toEqual([[], [], OPEN.slice(0, 2), OPEN.slice(2)]);
    const said = pages.map((page) => `${page.text}${String(page.headers['link'])}`).join();
    expect(said).not.toMatch(/m(?:\/|%2F)[0-9]/);
    const marks = pages.slice(0, 2).map((page) => nextOf(page)?.length);
    expect(marks[0]).toBe(marks[1]);
    // Somebody else's mark, and one that was tampered with, lead nowhere.
    const mark = nextOf(pages[0] as Called) ?? '';
    for (const [target, headers] of [
      [mark, as('ci')],
      [mark.replace(/next=../, 'next=xx'), as('dev')],
      ['/v2/_catalog?next=abc', as('dev')],
    ] as const) {
      const answer = await gate.call('GET', target, { headers });
      expect([answer.status, answer.code]).toEqual([400, 'PAGINATION_NUMBER_INVALID']);
    }
  });

  it('of a registry that ignores n and last comes out in right pages', async () => {
    const gate = await attacked({ access: ACCESS });
    gate.fault((request, response) => {
      if (request.url?.startsWith('/v2/_catalog') !== true) return false;
      response.end(JSON.stringify({ repositories: ALL }));
      return true;
    });
    expect(await walk(gate, '/v2/_catalog?n=2', as('dev'))).toEqual([
      OPEN.slice(0, 2),
      OPEN.slice(2),
    ]);
  });

  it.each([
    ['is down', 500, 503],
    ['has no such list', 404, 405],
    ['does not take the credentials of the gate', 401, 503],
    ['limits the rate', 429, 429],
  ])('of a registry that %s says so', async (_, theirs, ours) => {
    const gate = await attacked({ access: ACCESS });
    gate.fault((_request, response) => {
      answerError(response, theirs, 'UNKNOWN', 'no');
      return true;
    });
    const answer = await gate.call('GET', '/v2/_catalog', { headers: as('dev') });
    expect(answer.status).toBe(ours);
  });

  it.each([
    ['not JSON', 'x', undefined],
    ['no list', '{"repositories":{}}', undefined],
    [
      'a page elsewhere',
      '{"repositories":[]}',
      '<http://evil.example.com/v2/_catalog?last=a>; rel="next"',
    ],
  ])('of a registry that answers %s is 503', async (_, body, link) => {
    const gate = await attacked({ access: ACCESS });
    gate.fault((_request, response) => {
      if (link !== undefined) response.setHeader('link', link);
      response.end(body);
      return true;
    });
    const answer = await gate.call('GET', '/v2/_catalog', { headers: as('dev') });
    expect([answer.status, answer.headers['link']]).toEqual([503, undefined]);
  });

  it('leaves the tags of a repository to who may pull it', async () => {
    const gate = await stocked(ACCESS);
    const tags = async (path: string, headers = {}): Promise<number> =>
      (await gate.call('GET', `/v2/${path}/tags/list`, { headers })).status;
    expect(await tags('team/secret', as('ci'))).toBe(200);
    expect(await tags('team/secret', as('dev'))).toBe(403);
    expect(await tags('team/secret')).toBe(401);
    expect(await tags('team/open-1')).toBe(200);
    expect(await tags('nothing/there', as('dev'))).toBe(403);
  });
});

describe('a mark', () => {
  it('leads its reader back, is of one length, and leads nobody else anywhere', () => {
    const cursors = new Cursors();
    const marks = ['/a', `/${'b'.repeat(1022)}`].map((place) => cursors.mark(place, 'ci') ?? '');
    expect(marks.map((mark) => cursors.place(mark, 'ci')?.length)).toEqual([2, 1023]);
    expect(marks[0]?.length).toBe(marks[1]?.length);
    expect(cursors.mark('x'.repeat(1024), 'ci')).toBeNull();
    expect(cursors.place(marks[0] ?? '', 'dev')).toBeNull();
    expect(new Cursors().place(marks[0] ?? '', 'ci')).toBeNull();
  });
});
