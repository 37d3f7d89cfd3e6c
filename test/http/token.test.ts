import { afterEach, describe, expect, it } from 'vitest';
import type { Attacked } from '../support/attacked.ts';
import { as, attackedGates, PASSWORD } from '../support/attacked.ts';
import { call } from '../support/http-call.ts';
import { buildImage, pushImage } from '../support/image.ts';
import type { TokenServer } from '../support/token-server.ts';
import { startTokenServer } from '../support/token-server.ts';
import { answerError, startWireServer } from '../support/wire-server.ts';

const APP = '/v2/team/app/manifests/1';
const SCOPE = 'repository:team/app:pull';

const long = `Basic realm="${'x'.repeat(8300)}"`;

const undo: { stop(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of undo.splice(0).toReversed()) await one.stop();
});

describe('tokens of clients', () => {
  const attacked = attackedGates();

  /** A gate that passes on its clients' own credentials to a registry with bearer tokens. */
  async function site(
    members: (realm: string) => string = (realm) => `realm: "${realm}"`,
    seconds = 300,
  ): Promise<{ readonly gate: Attacked; readonly tokens: TokenServer }> {
    const tokens = await startTokenServer({ users: { ci: PASSWORD }, seconds });
    undo.push(tokens);
    const gate = await attacked({ policy: 'push: allow', registry: members(tokens.realm) });
    const image = buildImage();
    await pushImage(gate.registry, 'team/app', image, '1');
    await gate.signBehind('team/app', image.digest);
    gate.fault((request, response) => {
      if (tokens.allows(request.headers.authorization, 'team/app', 'pull')) return false;
      response.setHeader(
        'www-authenticate',
        `Bearer realm="${tokens.realm}",service="${tokens.service}",scope="${SCOPE}"`,
      );
      answerError(response, 401, 'UNAUTHORIZED', 'a token please');
      return true;
    });
    return { gate, tokens };
  }
  const tokenIn = (text: string): string => (JSON.parse(text) as { token: string }).token;

  it('are upstream’s own affair where no realm is configured: challenge and token pass unchanged', async () => {
    const { gate, tokens } = await site(() => '');
    for (const target of [APP, '/v2/team/app/tags/list']) {
      const refused = await gate.call('GET', target);
      expect([refused.status, refused.headers['www-authenticate']]).toEqual([
        401,
        `Bearer realm="${tokens.realm}",service="${tokens.service}",scope="${SCOPE}"`,
      ]);
    }
    const given = await call(tokens.realm, 'GET', `/token?scope=${SCOPE}`, { headers: as('ci') });
    const headers = { authorization: `Bearer ${tokenIn(given.text)}` };
    expect((await gate.call('GET', APP, { headers })).status).toBe(200);
    expect((await gate.call('GET', `/token?scope=${SCOPE}`)).status).toBe(404);
  });

  it('are asked for by way of the gate where a realm is configured, and come from it', async () => {
    const { gate, tokens } = await site();
    const scope = encodeURIComponent(SCOPE);
    for (const target of [APP, '/v2/team/app/tags/list']) {
      const refused = await gate.call('GET', target);
      expect(refused.status).toBe(401);
      const challenge = String(refused.headers['www-authenticate']);
      expect(challenge).toMatch(/^Bearer [^ ]+$/);
      for (const part of [
        `realm="${gate.url}/token"`,
        `service="${tokens.service}"`,
        `scope="${SCOPE}"`,
      ]) {
        expect(challenge).toContain(part);
      }
    }
    const query = `/token?service=${tokens.service}&scope=${scope}&scope=x%3Ay%3Apull`;
    const given = await gate.call('GET', query, { headers: as('ci') });
    expect([given.status, given.headers['cache-control']]).toEqual([200, 'no-store']);
    const form = `grant_type=password&username=ci&password=${PASSWORD}&scope=${scope}`;
    const posted = await gate.call('POST', '/token', {
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: form,
    });
    expect(tokens.asked.map(({ method, who }) => [method, who])).toEqual([
      ['GET', 'ci'],
      ['POST', 'ci'],
    ]);
    expect(tokens.asked[0]?.scopes).toEqual([SCOPE, 'x:y:pull']);
    for (const { text } of [given, posted]) {
      const headers = { authorization: `Bearer ${tokenIn(text)}` };
      expect((await gate.call('GET', APP, { headers })).status).toBe(200);
    }
    for (const secret of [PASSWORD, as('ci').authorization.slice(6), tokenIn(given.text)])
      expect(gate.logs()).not.toContain(secret);
  });

  it('are asked for in the same way where the API needs one', async () => {
    const { gate } = await site();
    const asked = await gate.call('POST', '/api/v1/decisions', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ image: `${gate.host}/team/app:1` }),
    });
    expect(asked.status).toBe(401);
    expect(asked.headers['www-authenticate']).toContain(`realm="${gate.url}/token"`);
  });

  it.each([
    ['another realm', (evil: string) => `Bearer realm="${evil}"`],
    [
      'one behind a challenge that is too long',
      (evil: string) => `${long}, Bearer realm="${evil}"`,
    ],
    [
      'one behind very many',
      (evil: string) => `${'Basic realm="x", '.repeat(9)}Bearer realm="${evil}"`,
    ],
    ['one behind what cannot be read', (evil: string) => `=, bearer realm="${evil}"`],
  ])('T-71: are asked for nowhere else, where upstream names %s', async (_, challenge) => {
    const { gate } = await site();
    const closed: string[] = [];
    gate.fault((request, response) => {
      response.once('close', () => closed.push(request.url ?? ''));
      response.setHeader('www-authenticate', challenge('http://evil.example.com/token'));
      // More than is kept of an answer that nobody reads.
      response.writeHead(401, { 'content-length': 10_000_000 }).end(Buffer.alloc(10_000_000));
      return true;
    });
    for (const target of [APP, '/v2/team/app/tags/list']) {
      const refused = await gate.call('GET', target);
      expect([target, refused.status]).toEqual([target, 502]);
      expect(JSON.stringify([refused.headers, refused.text])).not.toContain('evil');
    }
    // Nor do such answers keep their connections.
    await expect.poll(() => closed, { timeout: 10_000 }).toContain('/v2/team/app/tags/list');
  });

  it('are refused as the token server refuses, without a challenge of its own', async () => {
    const { gate } = await site();
    const wrong = { authorization: `Basic ${Buffer.from('ci:wrong').toString('base64')}` };
    const answer = await gate.call('GET', `/token?scope=${SCOPE}`, { headers: wrong });
    expect([answer.status, answer.code, answer.headers['www-authenticate']]).toEqual([
      401,
      'UNAUTHORIZED',
      undefined,
    ]);
  });

  it('T-72: never take a password after a redirect, and T-57: pass limits on', async () => {
    const evil = await startWireServer((_, response) => void response.end('{"token":"x"}'));
    undo.push(evil);
    const { gate, tokens } = await site();
    tokens.fault((_, response) => {
      response.writeHead(307, { location: `${evil.url}/token` }).end();
      return true;
    });
    const moved = await gate.call('GET', '/token', { headers: as('ci') });
    expect([moved.status, moved.headers.location, evil.seen]).toEqual([503, undefined, []]);
    tokens.fault((_, response) => {
      response.writeHead(429, { 'retry-after': '7', 'ratelimit-limit': '100;w=21600' }).end('{}');
      return true;
    });
    const limited = await gate.call('GET', '/token', { headers: as('ci') });
    expect([
      limited.status,
      limited.headers['retry-after'],
      limited.headers['ratelimit-limit'],
    ]).toEqual([429, '7', '100;w=21600']);
  });

  it('are given for bounded requests, by GET and POST, under the gate’s own names only', async () => {
    const { gate, tokens } = await site();
    const long = await gate.call('GET', `/token?scope=${'x'.repeat(9000)}`);
    const large = await gate.call('POST', '/token', { body: Buffer.alloc(70_000, 'a') });
    const other = await gate.call('GET', '/token', { headers: { host: 'other.example.com' } });
    const put = await gate.call('PUT', '/token', { body: 'x' });
    expect([long.status, large.status, other.status, put.status]).toEqual([400, 413, 421, 404]);
    expect(tokens.asked).toEqual([]);
  });

  it('let nobody read for longer than they live, whatever was remembered', async () => {
    const { gate } = await site(undefined, 30);
    const given = await gate.call('GET', `/token?scope=${SCOPE}`, { headers: as('ci') });
    const headers = { authorization: `Bearer ${tokenIn(given.text)}` };
    const digest = `/v2/team/app/manifests/${buildImage().digest}`;
    expect((await gate.call('GET', digest, { headers })).status).toBe(200);
    gate.asked();
    gate.later(20_000);
    expect((await gate.call('GET', digest, { headers })).status).toBe(200);
    expect(gate.asked()).toEqual([]);
    gate.later(11_000);
    await gate.call('GET', digest, { headers });
    expect(gate.asked()).not.toEqual([]);
  });
});
