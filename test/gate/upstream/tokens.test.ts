import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import type { Attacked, AttackedOptions } from '../../support/attacked.ts';
import { as, attackedGates, PASSWORD } from '../../support/attacked.ts';
import { buildImage, pushImage } from '../../support/image.ts';
import type { TokenServer } from '../../support/token-server.ts';
import { startTokenServer } from '../../support/token-server.ts';
import { answerError, startWireServer } from '../../support/wire-server.ts';

const ACCESS = `  - { repositories: ["\${registry}/**"], pull: ["*"], push: [ci] }\n`;
const CREDENTIALS = 'credentials: { username: gate, passwordFile: secret }';
const APP = '/v2/team/app/manifests/1';

const undo: { stop(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of undo.splice(0).toReversed()) await one.stop();
});

/** The registry behind asks for a bearer token of this server, named as `realm`. */
function guard(gate: Attacked, tokens: TokenServer, realm = tokens.realm): void {
  gate.fault((request, response) => {
    const name = /^\/v2\/(.+?)\/(?:manifests|blobs|tags|referrers)\//.exec(request.url ?? '')?.[1];
    const method = request.method ?? '';
    const action = ['GET', 'HEAD'].includes(method) ? 'pull' : 'push';
    if (tokens.allows(request.headers.authorization, name ?? '', action)) return false;
    const scope = `repository:${name}:${action === 'pull' ? 'pull' : 'pull,push'}`;
    response.setHeader(
      'www-authenticate',
      `Bearer realm="${realm}",service="${tokens.service}",scope="${scope}"`,
    );
    answerError(response, 401, 'UNAUTHORIZED', 'a token please');
    return true;
  });
}

describe('an upstream with bearer tokens', () => {
  const attacked = attackedGates();

  async function site(
    members: (realm: string) => string,
    options: AttackedOptions & { readonly seconds?: number; readonly opaque?: boolean } = {},
  ): Promise<{ readonly gate: Attacked; readonly tokens: TokenServer }> {
    const { seconds = 300, opaque = false, ...rest } = options;
    const tokens = await startTokenServer({
      users: { gate: PASSWORD, ci: PASSWORD },
      seconds,
      opaque,
    });
    undo.push(tokens);
    const gate = await attacked({
      policy: 'push: allow',
      ...rest,
      registry: members(tokens.realm),
    });
    guard(gate, tokens);
    return { gate, tokens };
  }
  const own = (realm: string): string => `realm: "${realm}"\n    ${CREDENTIALS}`;
  const image = buildImage();

  it('gets tokens of the gate’s own: per repository and action, once for all, kept', async () => {
    const { gate, tokens } = await site(own, { access: ACCESS });
    await pushImage(gate.url, 'team/app', image, '1', as('ci'));
    await gate.sign('team/app', image.digest, as('ci'));
    const before = tokens.asked.length;
    const pulls = await Promise.all(
      Array.from({ length: 20 }, () => gate.call('GET', APP, { headers: as('dev') })),
    );
    expect(new Set(pulls.map((one) => one.status))).toEqual(new Set([200]));
    expect(tokens.asked.length - before).toBeLessThanOrEqual(1);
    const { service } = tokens;
    const scope = (actions: string) => [`repository:team/app:${actions}`];
    for (const one of tokens.asked) expect(one).toMatchObject({ who: 'gate', service });
    const scopes = new Set(tokens.asked.map((one) => one.scopes.join(' ')));
    expect(scopes).toEqual(new Set([...scope('pull'), ...scope('pull,push')]));
    expect(tokens.asked.length).toBeLessThanOrEqual(3);
    await pushImage(gate.url, 'team/other', image, '1', as('ci'));
    expect(tokens.asked.at(-1)?.scopes.join(' ')).toContain('repository:team/other:');
  });

  it('renews a token that is refused once, and one that has ended before it is refused', async () => {
    const { gate, tokens } = await site(own, { access: ACCESS });
    await pushImage(gate.url, 'team/app', image, '1', as('ci'));
    await gate.sign('team/app', image.digest, as('ci'));
    const pull = async (): Promise<number> => {
      gate.later(2000);
      return (await gate.call('GET', `/v2/team/app/tags/list`, { headers: as('dev') })).status;
    };
    expect(await pull()).toBe(200);
    tokens.recall();
    const before = tokens.asked.length;
    expect(await pull()).toBe(200);
    expect(tokens.asked.length).toBe(before + 1);
    // One that the registry never takes: one more try, and then it is the registry's failure.
    guard(gate, { ...tokens, allows: () => false });
    gate.asked();
    expect(await pull()).toBe(503);
    expect(gate.asked()).toHaveLength(2);
  });

  it('asks again for tokens that live for moments only', async () => {
    const { gate, tokens } = await site(own, { access: ACCESS, seconds: 1, opaque: true });
    for (let round = 0; round < 3; round++) {
      const list = await gate.call('GET', '/v2/team/app/tags/list', { headers: as('dev') });
      expect(list.status).toBe(404);
      await new Promise((resolve) => setTimeout(resolve, 800));
    }
    expect(tokens.asked.length).toBeGreaterThan(1);
  });

  it('gets anonymous tokens where the gate has no credentials, and never passes on the clients’', async () => {
    const { gate, tokens } = await site((realm) => `realm: "${realm}"`, { access: ACCESS });
    await pushImage(gate.registry, 'team/app', image, '1');
    await gate.signBehind('team/app', image.digest);
    expect((await gate.call('GET', APP, { headers: as('dev') })).status).toBe(200);
    expect(new Set(tokens.asked.map((one) => one.who))).toEqual(new Set([null]));
    // What nobody may do upstream is no question of the client's login: it has none there.
    const push = await gate.call('POST', '/v2/team/app/blobs/uploads/', { headers: as('ci') });
    expect([push.status, push.headers['www-authenticate']]).toEqual([503, undefined]);
  });

  it('asks for the source of a mount as well', async () => {
    const { gate, tokens } = await site(own, { access: ACCESS });
    const target = `/v2/team/app/blobs/uploads/?mount=${image.digest}&from=team/base`;
    // The registry behind asks for its own scope only; the second one is what the gate asks for.
    gate.fault((request, response) => {
      if (tokens.allows(request.headers.authorization, 'team/base', 'pull')) return false;
      response.setHeader('www-authenticate', `Bearer realm="${tokens.realm}",service="s"`);
      answerError(response, 401, 'UNAUTHORIZED', 'a token please');
      return true;
    });
    const answer = await gate.call('POST', target, { headers: as('ci') });
    expect(answer.status).toBe(202);
    expect(tokens.asked.at(-1)?.scopes).toEqual([
      'repository:team/app:pull,push',
      'repository:team/base:pull',
    ]);
  });

  it('T-71: sends nothing to a realm that is not the configured one', async () => {
    const evil = await startWireServer((_, response) => void response.end('{"token":"x"}'));
    undo.push(evil);
    for (const access of [ACCESS, undefined]) {
      const { gate, tokens } = await site(
        (realm) => (access === undefined ? `realm: "${realm}"` : own(realm)),
        access === undefined ? {} : { access },
      );
      guard(gate, tokens, `${evil.url}/token`);
      for (const target of [APP, '/v2/team/app/tags/list']) {
        const answer = await gate.call('GET', target, { headers: as('ci') });
        expect([answer.status, answer.headers['www-authenticate']]).toEqual([502, undefined]);
      }
      expect([tokens.asked, evil.seen]).toEqual([[], []]);
      expect(gate.logs()).toContain('if that is right, set it as realm');
    }
  });

  it('T-72: follows no redirect of a token server, and takes nothing but a token from it', async () => {
    const evil = await startWireServer((_, response) => void response.end('{"token":"x"}'));
    undo.push(evil);
    const { gate, tokens } = await site(own, { access: ACCESS });
    const bad: ((response: ServerResponse) => void)[] = [
      (r) => r.writeHead(307, { location: `${evil.url}/token` }).end(),
      (r) => r.writeHead(500).end('no'),
      (r) => r.writeHead(200).end('no token'),
      (r) => r.writeHead(200).end('{"token":"a b\\r\\nc"}'),
      (r) => r.writeHead(200).end(Buffer.alloc(1024 * 1024, 32)),
      (r) => r.destroy(),
    ];
    for (const one of bad) {
      tokens.fault((_, response) => (one(response), true));
      const answer = await gate.call('GET', '/v2/team/app/tags/list', { headers: as('dev') });
      expect([502, 503]).toContain(answer.status);
    }
    expect(evil.seen).toEqual([]);
  });

  it('T-57: makes no verdict of a token server that limits or refuses the gate', async () => {
    const { gate, tokens } = await site(own, { access: ACCESS });
    await pushImage(gate.registry, 'team/app', image, '1');
    await gate.signBehind('team/app', image.digest);
    for (const status of [429, 401, 403, 503]) {
      tokens.fault((_, response) => (response.writeHead(status).end('{}'), true));
      const answer = await gate.call('GET', APP, { headers: as('dev') });
      expect([answer.status, answer.headers['retry-after']]).toEqual([503, '5']);
    }
    tokens.fault(null);
    expect((await gate.call('GET', APP, { headers: as('dev') })).status).toBe(200);
  });

  it('T-78: keeps passwords and tokens out of its log, and passwords from the registry', async () => {
    const { gate, tokens } = await site(own, { access: ACCESS, opaque: true });
    await pushImage(gate.registry, 'team/app', image, '1');
    const sent: string[] = [];
    gate.fault((request, response) => {
      const { authorization } = request.headers;
      if (authorization !== undefined) {
        sent.push(authorization);
        return false;
      }
      response.setHeader('www-authenticate', `Bearer realm="${tokens.realm}"`);
      answerError(response, 401, 'UNAUTHORIZED', 'a token please');
      return true;
    });
    await gate.call('GET', APP, { headers: as('dev') });
    expect(sent).not.toEqual([]);
    for (const one of sent) expect(one).toMatch(/^Bearer /);
    for (const secret of [PASSWORD, Buffer.from(`gate:${PASSWORD}`).toString('base64'), ...sent])
      expect(gate.logs()).not.toContain(secret.replace('Bearer ', ''));
  });

  it('says in the log which realm to set where none is', async () => {
    const { gate, tokens } = await site(() => CREDENTIALS, { access: ACCESS });
    const answer = await gate.call('GET', APP, { headers: as('dev') });
    expect([answer.status, answer.headers['www-authenticate']]).toEqual([503, undefined]);
    const advice = JSON.stringify(`"${tokens.realm}"; if that is its token server`).slice(1, -1);
    expect(gate.logs()).toContain(advice);
  });
});
