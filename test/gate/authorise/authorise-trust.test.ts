import { afterEach, describe, expect, it } from 'vitest';
import { createAccess } from '../../../src/gate/access/access.ts';
import { Authoriser } from '../../../src/gate/authorise/authorise.ts';
import type { TrustRight } from '../../../src/gate/authorise/authorise-trust.ts';
import { TrustAuthoriser } from '../../../src/gate/authorise/authorise-trust.ts';
import type { Caller } from '../../../src/gate/access/caller.ts';
import { credentialKey } from '../../../src/gate/access/caller.ts';
import { openUpstream } from '../../../src/gate/upstream/open.ts';
import { codeOf } from '../../../src/lib/errors.ts';
import { unwrap } from '../../../src/lib/result.ts';
import { parseRepository } from '../../../src/oci/reference.ts';
import type { WireServer } from '../../support/wire-server.ts';
import { startWireServer } from '../../support/wire-server.ts';

const REPOSITORY = unwrap(parseRepository('registry.example.com/team/app'));
const BASIC = 'Basic realm="behind"';
const BEARER = 'Bearer realm="https://auth.example.com/token",service="x"';

/** What the registry answers: to a list of tags, the start of an upload, the deletion of a manifest. */
interface Answers {
  readonly list?: number;
  readonly upload?: number;
  readonly remove?: number;
  readonly challenge?: string;
}

describe('rights to trust data where upstream judges', () => {
  const undo: (() => unknown)[] = [];
  afterEach(async () => {
    for (const one of undo.splice(0).reverse()) await one();
  });

  async function stage(first: Answers): Promise<{
    readonly wire: WireServer;
    readonly answer: (answers: Answers) => void;
    readonly later: (ms: number) => void;
    readonly check: (right: TrustRight, authorization?: string) => Promise<string>;
  }> {
    let answers = first;
    let now = Date.parse('2026-11-21T00:00:00Z');
    const wire = await startWireServer((request, response) => {
      const { list = 401, upload = 401, remove = 401, challenge = BASIC } = answers;
      const line = `${request.method} ${request.url}`;
      request.resume();
      if (line === 'DELETE /v2/team/app/blobs/uploads/one') response.statusCode = 204;
      else if (line === 'GET /v2/team/app/tags/list?n=1') response.statusCode = list;
      else if (line === 'POST /v2/team/app/blobs/uploads/') response.statusCode = upload;
      else if (/^DELETE \/v2\/team\/app\/manifests\/sha256:[0-9a-f]{64}$/.test(line))
        response.statusCode = remove;
      else response.statusCode = 599;
      if (response.statusCode === 401) response.setHeader('www-authenticate', challenge);
      if (response.statusCode === 202)
        response.setHeader('location', '/v2/team/app/blobs/uploads/one');
      response.end();
    });
    undo.push(() => wire.stop());
    const upstream = openUpstream({ origin: wire.url, passCredentials: true });
    undo.push(() => upstream.close());
    const registry = {
      host: 'registry.example.com',
      aliases: [],
      upstream,
      upstreamJudges: true,
    };
    const clock = (): Date => new Date(now);
    const own = new Authoriser({ access: createAccess([], false), now: clock });
    const rights = new TrustAuthoriser(own, clock);
    return {
      wire,
      answer: (next) => (answers = next),
      later: (ms) => (now += ms),
      check: async (right, authorization) => {
        const caller: Caller = {
          name: 'anonymous',
          authenticated: false,
          authorization: authorization ?? null,
          credentialKey: credentialKey(authorization ?? null),
          loopback: false,
        };
        try {
          const said = await rights.check(registry, REPOSITORY, right, caller);
          if (said === null) return 'yes';
          return said.kind === 'relay' ? `relay ${said.status}` : said.code;
        } catch (error) {
          return `thrown ${codeOf(error)}`;
        }
      },
    };
  }

  const lines = (wire: WireServer): string[] =>
    wire.seen.map(({ line }) => line.replace(/[0-9a-f]{64}/, '<hex>'));

  it.each([
    ['pull', { list: 200 }, 'yes'],
    ['pull', { list: 401 }, 'relay 401'],
    ['pull', { list: 401, challenge: BEARER }, 'UNAUTHENTICATED'],
    ['pull', { list: 401, challenge: `${BASIC}, ${BEARER}` }, 'UNAUTHENTICATED'],
    ['pull', { list: 401, challenge: 'nonsense' }, 'UNAUTHENTICATED'],
    ['pull', { list: 403 }, 'FORBIDDEN'],
    ['pull', { list: 429 }, 'relay 429'],
    ['pull', { list: 500 }, 'thrown UPSTREAM_UNAVAILABLE'],
    ['pull', { list: 204 }, 'thrown UPSTREAM_UNAVAILABLE'],
    ['pull', { list: 302 }, 'thrown UPSTREAM_UNAVAILABLE'],
    // "Not there" is what strangers are told of private repositories, too.
    ['pull', { list: 404, upload: 202 }, 'yes'],
    ['pull', { list: 404, upload: 401 }, 'NAME_UNKNOWN'],
    ['pull', { list: 404, upload: 403 }, 'NAME_UNKNOWN'],
    ['pull', { list: 404, upload: 405 }, 'NAME_UNKNOWN'],
    ['pull', { list: 404, upload: 429 }, 'relay 429'],
    ['push', { upload: 202 }, 'yes'],
    ['push', { list: 200, upload: 401 }, 'relay 401'],
    ['push', { list: 200, upload: 401, challenge: BEARER }, 'UNAUTHENTICATED'],
    ['push', { list: 200, upload: 403 }, 'FORBIDDEN'],
    ['push', { list: 200, upload: 404 }, 'FORBIDDEN'],
    ['push', { list: 200, upload: 405 }, 'FORBIDDEN'],
    ['push', { list: 200, upload: 200 }, 'thrown UPSTREAM_UNAVAILABLE'],
    ['push', { list: 200, upload: 503 }, 'thrown UPSTREAM_UNAVAILABLE'],
    ['delete', { upload: 202, remove: 404 }, 'yes'],
    ['delete', { upload: 202, remove: 202 }, 'yes'],
    ['delete', { upload: 202, remove: 405 }, 'FORBIDDEN'],
    ['delete', { upload: 202, remove: 400 }, 'FORBIDDEN'],
    ['delete', { upload: 202, remove: 401 }, 'relay 401'],
    ['delete', { upload: 202, remove: 403 }, 'FORBIDDEN'],
    ['delete', { upload: 202, remove: 500 }, 'thrown UPSTREAM_UNAVAILABLE'],
    ['delete', { upload: 403, remove: 404 }, 'FORBIDDEN'],
  ] as const)('T-57, T-58: %s where upstream answers %j: %s', async (right, answers, outcome) => {
    const { check } = await stage(answers);
    expect(await check(right, 'Basic eDp5')).toBe(outcome);
  });

  it('asks with the caller’s own credential, and takes back the upload that it began', async () => {
    const { wire, check } = await stage({ list: 200, upload: 202, remove: 404 });
    expect(await check('pull', 'Basic eDp5')).toBe('yes');
    expect(await check('push', 'Basic eDp5')).toBe('yes');
    expect(await check('delete', 'Basic eDp5')).toBe('yes');
    expect(lines(wire)).toEqual([
      'GET /v2/team/app/tags/list?n=1',
      'POST /v2/team/app/blobs/uploads/',
      'DELETE /v2/team/app/blobs/uploads/one',
      'POST /v2/team/app/blobs/uploads/',
      'DELETE /v2/team/app/blobs/uploads/one',
      'DELETE /v2/team/app/manifests/sha256:<hex>',
    ]);
    expect(new Set(wire.seen.map(({ headers }) => headers.authorization))).toEqual(
      new Set(['Basic eDp5']),
    );
  });

  it('T-58: a yes is for one credential and one right, and for a minute', async () => {
    const { wire, check, answer, later } = await stage({ list: 200 });
    expect(await check('pull', 'Basic eDp5')).toBe('yes');
    answer({});
    later(59_999);
    expect(await check('pull', 'Basic eDp5')).toBe('yes');
    expect(lines(wire)).toHaveLength(1);
    expect(await check('pull')).toBe('relay 401');
    expect(await check('pull', 'Basic eDp6')).toBe('relay 401');
    expect(await check('push', 'Basic eDp5')).toBe('relay 401');
    later(1);
    expect(await check('pull', 'Basic eDp5')).toBe('relay 401');
    answer({ list: 200 });
    expect(await check('pull', 'Basic eDp5')).toBe('yes');
  });

  it('a token is asked nothing with: it says nothing of trust data', async () => {
    const { wire, check } = await stage({ list: 200, upload: 202, remove: 404 });
    for (const right of ['pull', 'push', 'delete'] as const) {
      for (const token of ['Bearer abc', 'bearer abc', 'BEARER'])
        expect(await check(right, token)).toBe('UNAUTHENTICATED');
    }
    expect(wire.seen).toEqual([]);
  });

  it('an open registry that deletes nothing leaves deletion to everybody, as one of the gate’s own does', async () => {
    const { check } = await stage({ upload: 202, remove: 405 });
    expect([await check('delete'), await check('delete', 'Basic eDp5')]).toEqual([
      'yes',
      'FORBIDDEN',
    ]);
  });

  it('a registry that cannot be reached says neither yes nor no', async () => {
    const { wire, check } = await stage({});
    await wire.stop();
    expect(await check('pull')).toBe('thrown UPSTREAM_UNAVAILABLE');
    expect(await check('push')).toBe('thrown UPSTREAM_UNAVAILABLE');
  });
});
