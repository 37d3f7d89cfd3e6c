import { afterEach, describe, expect, it } from 'vitest';
import { as, PASSWORD } from '../../support/attacked.ts';
import { buildImage } from '../../support/image.ts';
import { plainGates } from '../../support/plain-gate.ts';
import { tarLayer } from '../../support/tar.ts';
import type { TokenServer } from '../../support/token-server.ts';
import { startTokenServer } from '../../support/token-server.ts';
import type { WireServer } from '../../support/wire-server.ts';
import { answerError, startWireServer } from '../../support/wire-server.ts';

const TAG = '/v2/team/app/manifests/1';
const undo: { stop(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of undo.splice(0).toReversed()) await one.stop();
});

/** A registry with one image of its own; with `tokens` it asks for one of them. */
async function registry(content: string, tokens?: TokenServer) {
  const image = buildImage({ layers: [tarLayer({ content })] });
  const wire: WireServer = await startWireServer((request, response) => {
    const { authorization } = request.headers;
    if (tokens !== undefined && !tokens.allows(authorization, 'team/app', 'pull')) {
      response.setHeader('www-authenticate', `Bearer realm="${tokens.realm}",service="s"`);
      return answerError(response, 401, 'UNAUTHORIZED', 'a token please');
    }
    const known = [TAG, TAG.replace(/1$/, image.digest)].includes(request.url ?? '');
    if (!known) return answerError(response, 404, 'MANIFEST_UNKNOWN', 'none');
    const headers = { 'content-type': image.mediaType, 'docker-content-digest': image.digest };
    response.writeHead(200, headers).end(image.manifest);
  });
  undo.push(wire);
  return { image, wire };
}

describe('several registries behind one gate', () => {
  const gates = plainGates();

  it('T-54: are told apart by Host; what one has, the other never serves', async () => {
    const [a, b] = [await registry('a'), await registry('b')];
    const gate = await gates({
      registries: `  - { host: a.test, aliases: ["a.internal:5443"], upstream: "${a.wire.url}" }
  - { host: b.test, upstream: "${b.wire.url}" }`,
    });
    const digestOf = async (host: string, target = TAG) => {
      const answer = await gate.call(host, 'GET', target);
      return [answer.status, answer.headers['docker-content-digest']];
    };
    for (let round = 0; round < 2; round++) {
      expect(await digestOf('a.test')).toEqual([200, a.image.digest]);
      expect(await digestOf('A.TEST:443')).toEqual([200, a.image.digest]);
      expect(await digestOf('a.internal:5443')).toEqual([200, a.image.digest]);
      expect(await digestOf('b.test')).toEqual([200, b.image.digest]);
      // The other's image, known to the gate by now: each registry is asked for its own only.
      const foreign = TAG.replace(/1$/, a.image.digest);
      expect((await digestOf('b.test', foreign))[0]).toBe(404);
    }
    for (const host of ['c.test', 'a.test:5443', 'a.test.evil.test', 'b.test:1', '127.0.0.1']) {
      const answer = await gate.call(host, 'GET', TAG);
      expect([host, answer.status]).toEqual([host, 421]);
    }
  });

  it('T-73: are each sent their own credentials and tokens, and none of the other’s', async () => {
    const users = { gate: PASSWORD };
    const [first, second] = [await startTokenServer({ users }), await startTokenServer({ users })];
    undo.push(first, second);
    const [a, b] = [await registry('a', first), await registry('b', second)];
    const c = await registry('c');
    const gate = await gates({
      registries: `  - host: a.test
    upstream: "${a.wire.url}"
    realm: "${first.realm}"
    credentials: { username: gate, passwordFile: secret }
  - { host: b.test, upstream: "${b.wire.url}", realm: "${second.realm}" }
  - { host: c.test, upstream: "${c.wire.url}" }`,
      access: '  - { repositories: ["**"], pull: ["*"] }',
    });
    const headers = as('ci');
    for (const host of ['a.test', 'b.test', 'c.test'])
      expect((await gate.call(host, 'GET', TAG, { headers })).status).toBe(200);
    expect(first.asked.map((one) => one.who)).toEqual(['gate']);
    expect(second.asked.map((one) => one.who)).toEqual([null]);
    const sentTo = (wire: WireServer) => new Set(wire.seen.map((one) => one.headers.authorization));
    const [toA, toB, toC] = [sentTo(a.wire), sentTo(b.wire), sentTo(c.wire)];
    expect(toC).toEqual(new Set([undefined]));
    for (const one of toA) if (one !== undefined) expect(toB).not.toContain(one);
    expect(JSON.stringify([...toA, ...toB])).not.toContain('Basic');
  });
});
