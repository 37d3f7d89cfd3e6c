import { describe, expect, it } from 'vitest';
import { createAccess } from '../../../src/gate/access/access.ts';
import { Authoriser } from '../../../src/gate/authorise/authorise.ts';
import type { Caller } from '../../../src/gate/access/caller.ts';
import { openUpstream } from '../../../src/gate/upstream/open.ts';
import { unwrap } from '../../../src/lib/result.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import { parseReference } from '../../../src/oci/reference.ts';
import type { Attacked } from '../../support/attacked.ts';
import { as, attackedGates } from '../../support/attacked.ts';
import { contentImage, pushImage } from '../../support/image.ts';
import { answerError, startWireServer } from '../../support/wire-server.ts';

const MINUTE = 60_000;

/** The registry lets nobody in but these, and only into these repositories. */
const lets = (gate: Attacked, may: Readonly<Record<string, readonly string[]>>): void =>
  gate.fault((request, response) => {
    const repositories = Object.entries(may).find(
      ([who]) => request.headers.authorization === as(who).authorization,
    )?.[1];
    if (repositories?.some((one) => request.url?.startsWith(`/v2/${one}/`)) === true) return false;
    response.setHeader('www-authenticate', 'Basic realm="behind"');
    answerError(response, repositories === undefined ? 401 : 403, 'DENIED', 'not you');
    return true;
  });

describe('a registry that judges its own callers', () => {
  const attacked = attackedGates();

  async function stocked(
    policy = '',
  ): Promise<{ gate: Attacked; pull: (who: string, path?: string) => Promise<number> }> {
    const gate = await attacked({ policy: `push: allow\n    ${policy}` });
    const made = contentImage('signed\n');
    for (const path of ['team/app', 'team/other']) {
      await pushImage(gate.url, path, made, '1');
      expect((await gate.sign(path, made.digest)).status).toBe(201);
    }
    const pull = async (who: string, path = 'team/app'): Promise<number> =>
      (await gate.call('GET', `/v2/${path}/manifests/${made.digest}`, { headers: as(who) })).status;
    return { gate, pull };
  }

  it('is asked for each credential and repository; its yes to one is never another’s', async () => {
    const { gate, pull } = await stocked();
    lets(gate, { ci: ['team/app', 'team/other'], dev: ['team/other'] });
    for (let round = 0; round < 2; round++) {
      expect([await pull('ci'), await pull('ci', 'team/other')]).toEqual([200, 200]);
      expect([await pull('dev'), await pull('dev', 'team/other')]).toEqual([403, 200]);
      expect([await pull('boss'), await pull('boss', 'team/other')]).toEqual([401, 401]);
    }
    const anonymous = await gate.call('GET', '/v2/team/app/manifests/1');
    expect([anonymous.status, anonymous.headers['www-authenticate']]).toEqual([
      401,
      'Basic realm="behind"',
    ]);
  });

  it('is asked again after a minute at most, and its no counts at once', async () => {
    const { gate, pull } = await stocked();
    lets(gate, { ci: ['team/app'] });
    expect(await pull('ci')).toBe(200);
    gate.asked();
    gate.later(MINUTE - 5000);
    expect(await pull('ci')).toBe(200);
    expect(gate.asked()).toEqual([]);
    lets(gate, {});
    gate.later(5001);
    expect(await pull('ci')).toBe(401);
    lets(gate, { ci: ['team/app'] });
    expect(await pull('ci')).toBe(200);
    // A no by tag ends what was remembered for digests too.
    lets(gate, {});
    expect((await gate.call('GET', '/v2/team/app/manifests/1', { headers: as('ci') })).status).toBe(
      401,
    );
    expect(await pull('ci')).toBe(401);
  });

  it('keeps its last yes while it is down for authGrace, for that caller only, and never past it', async () => {
    const { gate, pull } = await stocked('authGrace: 10m');
    lets(gate, { ci: ['team/app'], dev: [] });
    expect([await pull('ci'), await pull('dev')]).toEqual([200, 403]);
    gate.fault((request) => {
      request.socket.destroy();
      return true;
    });
    gate.later(9 * MINUTE);
    expect([await pull('ci'), await pull('dev'), await pull('boss')]).toEqual([200, 503, 503]);
    expect(await pull('ci', 'team/other')).toBe(503);
    // A refusal is no outage: it ends the grace.
    lets(gate, {});
    expect(await pull('ci')).toBe(401);
    gate.fault((request) => {
      request.socket.destroy();
      return true;
    });
    expect(await pull('ci')).toBe(503);
  });

  it('has no grace beyond its time, nor for a revoked image', async () => {
    const { gate, pull } = await stocked('authGrace: 10m');
    lets(gate, { ci: ['team/app'] });
    expect(await pull('ci')).toBe(200);
    gate.fault((request) => {
      request.socket.destroy();
      return true;
    });
    gate.later(9 * MINUTE);
    expect(await pull('ci')).toBe(200);
    const { text } = await gate.call('POST', '/api/v1/revocations', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ key: gate.signer.publicKey.id }),
    });
    expect(text).toContain('"record"');
    // What was found is judged anew, so the key's revocation counts now as at any other time.
    expect(await pull('ci')).toBe(403);
    expect(await pull('boss')).toBe(503);
    gate.later(MINUTE);
    expect(await pull('ci')).toBe(503);
  });
});

describe('what is remembered of upstream’s answers', () => {
  it('is not pushed out by a flood of credentials that upstream does not know', async () => {
    const wire = await startWireServer((_, response) => void response.writeHead(401).end());
    const upstream = openUpstream({ origin: wire.url, passCredentials: true });
    try {
      const registry = { host: 'a.test', aliases: [], upstream, upstreamJudges: true };
      const { repository } = unwrap(parseReference('a.test/team/app'));
      const authoriser = new Authoriser({
        access: createAccess([], false),
        now: () => new Date(1),
      });
      const caller = (credentialKey: string): Caller => ({
        name: 'anonymous',
        authenticated: false,
        authorization: null,
        credentialKey,
        loopback: false,
      });
      const reference = digestOf(Buffer.from('x'));
      const found = { kind: 'found', digest: reference } as const;
      authoriser.note(found, caller('known'), repository, 1);
      for (let n = 0; n < 60_000; n++)
        authoriser.note({ kind: 'absent' }, caller(`invented ${n}`), repository, 1);
      const ask = async (who: string): Promise<string> =>
        (await authoriser.upstreamAllows(registry, repository, reference, caller(who), 0)).kind;
      expect(await ask('known')).toBe('known');
      expect(wire.seen).toEqual([]);
      expect(await ask('invented 59999')).toBe('relay');
      // A no of the same credential counts at once, and a yes that was asked for before it no more.
      authoriser.note({ kind: 'absent' }, caller('known'), repository, 3);
      authoriser.note(found, caller('known'), repository, 2);
      expect(await ask('known')).toBe('relay');
    } finally {
      await upstream.close();
      await wire.stop();
    }
  });
});
