import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseHistoryQuery, readHistory } from '../../src/history/history.ts';
import { unwrap } from '../../src/lib/result.ts';
import { suiteScope } from '../support/scope.ts';
import { digestFor, eventWrite, openAt, repo } from '../support/store.ts';

describe('a history query', () => {
  const image = { repository: repo('app'), tag: '1.0' };

  it('asks for a page of a hundred unless told', () => {
    expect(unwrap(parseHistoryQuery(null, {}))).toEqual({ limit: 100 });
  });

  it('is about the repository, the tag or the digest that the image names; a digest beats a tag', () => {
    expect(unwrap(parseHistoryQuery({ repository: repo('app') }, {}))).toEqual({
      repository: repo('app'),
      limit: 100,
    });
    expect(unwrap(parseHistoryQuery(image, {}))).toEqual({ ...image, limit: 100 });
    const digest = digestFor('a');
    expect(unwrap(parseHistoryQuery({ ...image, digest }, {}))).toEqual({
      repository: repo('app'),
      digest,
      limit: 100,
    });
  });

  it('takes a page, a type, a log and a number', () => {
    const asked = { limit: '5', before: '77', type: 'deny', log: 'dec', index: '184' };
    expect(unwrap(parseHistoryQuery(image, asked))).toEqual({
      ...image,
      limit: 5,
      before: 77,
      type: 'deny',
      log: 'dec',
      index: 184,
    });
  });

  it.each([
    [{ limit: '0' }, 'PAGINATION_INVALID'],
    [{ limit: '1001' }, 'PAGINATION_INVALID'],
    [{ limit: '-1' }, 'PAGINATION_INVALID'],
    [{ limit: '1e2' }, 'PAGINATION_INVALID'],
    [{ limit: '' }, 'PAGINATION_INVALID'],
    [{ before: '99999999999999999' }, 'PAGINATION_INVALID'],
    [{ log: 'other' }, 'REQUEST_INVALID'],
    [{ index: '1' }, 'REQUEST_INVALID'],
    [{ type: `x' OR 1=1 --` }, 'REQUEST_INVALID'],
  ])('%j is refused with %s', (asked, code) => {
    expect(parseHistoryQuery(null, asked)).toMatchObject({ ok: false, refusal: { code } });
  });

  it('names the type of event that an unknown one is nearest to', () => {
    expect(parseHistoryQuery(null, { type: 'denied' })).toMatchObject({
      ok: false,
      refusal: { message: 'expected a type of event, found "denied"; did you mean deny?' },
    });
  });

  it('never gives a query that the store would refuse', () => {
    const text = fc.oneof(
      fc.string(),
      fc.integer().map(String),
      fc.constantFrom('sig', 'dec', 'deny'),
    );
    const names = ['limit', 'before', 'index', 'log', 'type'];
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...names), text), (asked) => {
        const parsed = parseHistoryQuery(null, asked);
        const limit = parsed.ok ? parsed.value.limit : 1;
        expect(Number.isSafeInteger(limit) && limit >= 1 && limit <= 1000).toBe(true);
      }),
    );
  });
});

describe('a history page', () => {
  const scope = suiteScope();

  it('shows events newest first, and the next pages show the rest, each once', async () => {
    const store = await openAt(mkdtempSync(join(scope.folder(), 'data-')));
    await store.commit(
      Array.from({ length: 25 }, (_, n) => eventWrite({ tag: `t${n}`, data: { n } })),
    );
    const seen: unknown[] = [];
    let before: number | null = null;
    let pages = 0;
    do {
      const page = await readHistory(store, { limit: 10, ...(before === null ? {} : { before }) });
      seen.push(...page.events.map((one) => one.data['n']));
      before = page.next;
      pages++;
    } while (before !== null);
    expect(pages).toBe(3);
    expect(seen).toEqual(Array.from({ length: 25 }, (_, n) => 24 - n));
    const { events } = await readHistory(store, { limit: 1 });
    expect(events).toEqual([
      {
        sequence: 25,
        log: 'sig',
        index: 24,
        time: '2026-01-02T03:04:05.000Z',
        type: 'signature',
        repository: repo('app'),
        tag: 't24',
        digest: digestFor('app'),
        actor: 'alice',
        data: { n: 24 },
      },
    ]);
    await store.close();
  });
});
