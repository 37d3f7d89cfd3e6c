import { describe, expect, it } from 'vitest';
import type { Attacked } from '../support/attacked.ts';
import { as, attackedGates } from '../support/attacked.ts';
import type { Called } from '../support/http-call.ts';
import { buildIndex, contentImage, pushImage } from '../support/image.ts';

const ACCESS = `  - { repositories: ["\${registry}/team/**"], pull: [ci, dev, boss], push: [ci] }
  - { repositories: ["\${registry}/**"], admin: [boss] }
`;
const ZERO = { allowed: 0, warned: 0, refused: 0, unknown: 0, gone: 0 };

const post = (
  gate: Attacked,
  target: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Called> =>
  gate.call('POST', `/api/v1/${target}`, {
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
  });
const json = (answer: Called): Record<string, unknown> =>
  JSON.parse(answer.text) as Record<string, unknown>;

describe('the API, for who takes stock', () => {
  const attacked = attackedGates();

  const survey = (gate: Attacked, name: string, more: object = {}): Promise<Called> =>
    post(gate, 'decisions', { image: `${gate.host}/${name}`, record: false, ...more });
  const events = async (gate: Attacked): Promise<readonly { type: string }[]> => {
    const answer = await gate.call('GET', '/api/v1/history?log=dec');
    return (json(answer) as { events: { type: string }[] }).events;
  };

  it('answers without a record and counts no refusal', async () => {
    const gate = await attacked();
    const unsigned = contentImage('unsigned\n');
    await pushImage(gate.registry, 'team/app', unsigned, '1');
    expect(json(await survey(gate, 'team/app:1'))).toMatchObject({
      decision: 'deny',
      digest: unsigned.digest,
      policy: { name: 'team' },
      reason: { code: 'NOT_TRUSTED' },
      record: null,
      contains: 0,
      basis: expect.stringMatching(/^[0-9a-f]{64}\.[0-9]+$/) as string,
    });
    expect(await events(gate)).toEqual([]);
    const metrics = (await gate.call('GET', '/metrics')).text;
    expect(metrics).not.toMatch(/decision="deny"[^\n]* [1-9]/);
    await post(gate, 'decisions', { image: `${gate.host}/team/app:1` });
    expect((await events(gate)).map((event) => event.type)).toEqual(['deny']);
  });

  it('is for administrators who may pull there', async () => {
    const gate = await attacked({ access: ACCESS });
    await pushImage(gate.registry, 'team/app', contentImage('one\n'), '1');
    await pushImage(gate.registry, 'other/app', contentImage('one\n'), '1');
    const asked = (who: string, name: string): Promise<Called> =>
      post(gate, 'decisions', { image: `${gate.host}/${name}`, record: false }, as(who));
    expect(await asked('boss', 'team/app:1')).toMatchObject({ status: 200 });
    for (const [who, name] of [
      ['ci', 'team/app:1'],
      ['dev', 'team/app:1'],
      ['boss', 'other/app:1'],
    ] as const) {
      const answer = await asked(who, name);
      expect([who, answer.status]).toEqual([who, 403]);
    }
    expect((await asked('ci', 'team/app:1')).text).toContain('that needs admin');
  });

  it('reads the evidence of a digest once for all of its tags in one survey', async () => {
    const gate = await attacked();
    const signed = contentImage('signed\n');
    for (const tag of ['1', '2', '3']) await pushImage(gate.registry, 'team/app', signed, tag);
    await gate.signBehind('team/app', signed.digest);
    gate.asked();
    const all = await Promise.all(
      ['1', '2', '3'].map((tag) => survey(gate, `team/app:${tag}`, { survey: 'one' })),
    );
    for (const [at, answer] of all.entries())
      expect(json(answer)).toMatchObject({
        decision: 'allow',
        image: `${gate.host}/team/app:${at + 1}`,
      });
    const signature = `${signed.digest.replace(':', '-')}.sig`;
    const asked = gate.asked().filter((line) => line.startsWith('GET'));
    expect(asked.filter((line) => line.endsWith(signature))).toHaveLength(1);
    expect(asked.filter((line) => line.endsWith(`manifests/${signed.digest}`))).toHaveLength(1);
  });

  it('judges each tag by its own revocation, and sees new signatures in the next survey', async () => {
    const gate = await attacked();
    const one = contentImage('one\n');
    for (const tag of ['1', '2']) await pushImage(gate.registry, 'team/app', one, tag);
    const code = async (tag: string, name: string): Promise<unknown> =>
      json(await survey(gate, `team/app:${tag}`, { survey: name }))['reason'];
    expect(await code('1', 'a')).toMatchObject({ code: 'NOT_TRUSTED' });
    await gate.signBehind('team/app', one.digest);
    gate.later(5_000);
    expect(await code('1', 'b')).toMatchObject({ code: 'TRUSTED' });
    await post(gate, 'revocations', { image: `${gate.host}/team/app:2` });
    expect(await code('1', 'b')).toMatchObject({ code: 'TRUSTED' });
    expect(await code('2', 'b')).toMatchObject({ code: 'REVOKED' });
  });

  it('tells apart what was judged by other policies or revocations', async () => {
    const gate = await attacked();
    await pushImage(gate.registry, 'team/app', contentImage('one\n'), '1');
    const basis = async (): Promise<unknown> => json(await survey(gate, 'team/app:1'))['basis'];
    const before = await basis();
    expect(await basis()).toBe(before);
    await post(gate, 'revocations', { key: 'c'.repeat(64) });
    expect(await basis()).not.toBe(before);
  });

  it('T-57: trouble with the registry is never an answer that is remembered', async () => {
    const gate = await attacked();
    const signed = contentImage('signed\n');
    await pushImage(gate.registry, 'team/app', signed, '1');
    await gate.signBehind('team/app', signed.digest);
    gate.fault((request, response) => {
      if (request.url?.endsWith('.sig') !== true) return false;
      response.writeHead(503).end();
      return true;
    });
    const ask = () => survey(gate, 'team/app:1', { survey: 'one' });
    expect(json(await ask())).toMatchObject({ reason: { code: 'CANNOT_VERIFY' } });
    gate.fault(null);
    expect(json(await ask())).toMatchObject({ reason: { code: 'TRUSTED' } });
  });

  it('learns what indexes contain, nested ones too, so that a cold gate admits the children', async () => {
    const gate = await attacked();
    const [deep, near] = [contentImage('deep\n'), contentImage('near\n')];
    const inner = buildIndex([deep]);
    const outer = buildIndex([inner, near]);
    await pushImage(gate.registry, 'team/app', outer, 'all');
    await gate.signBehind('team/app', outer.digest);
    expect(json(await survey(gate, 'team/app:all'))).toMatchObject({
      decision: 'allow',
      contains: 3,
    });
    await gate.restart();
    gate.asked();
    const pulled = await gate.call('GET', `/v2/team/app/manifests/${deep.digest}`);
    expect(pulled).toMatchObject({ status: 200, body: deep.manifest });
    // Known, so that nothing had to be searched.
    expect(gate.asked().some((line) => line.includes('tags/list'))).toBe(false);
  });

  it('learns within bounds: not what is too deep, not all of very many nested indexes', async () => {
    const gate = await attacked();
    let deep = buildIndex([contentImage('leaf\n')]);
    for (let n = 0; n < 6; n++) deep = buildIndex([deep]);
    await pushImage(gate.registry, 'team/deep', deep, '1');
    expect(json(await survey(gate, 'team/deep:1'))).toMatchObject({ contains: 4 });
    const wide = buildIndex(
      Array.from({ length: 120 }, (_, n) =>
        buildIndex([contentImage('leaf\n')], { annotations: { n: String(n) } }),
      ),
    );
    await pushImage(gate.registry, 'team/wide', wide, '1');
    gate.asked();
    expect(json(await survey(gate, 'team/wide:1'))).toMatchObject({ contains: 121 });
    const got = gate.asked().filter((line) => /^GET .*manifests\/sha256:/.test(line));
    expect(got.length).toBe(101);
  });

  it('says that what is no manifest for every client alike would be refused, signed or not', async () => {
    const gate = await attacked();
    const fine = contentImage('fine\n');
    await pushImage(gate.registry, 'team/app', fine, '1');
    const twofaced = Buffer.from(
      fine.manifest.toString().replace('{"schemaVersion":2', '{"schemaVersion":2,"manifests":[]'),
    );
    gate.fault((request, response) => {
      if (!/\/manifests\/(?:odd|sha256:)/.test(request.url ?? '')) return false;
      response.writeHead(200, { 'content-type': fine.mediaType });
      response.end(request.method === 'HEAD' ? undefined : twofaced);
      return true;
    });
    const answer = await survey(gate, 'team/app:odd');
    expect(json(answer)).toMatchObject({
      decision: 'deny',
      reason: {
        code: 'MANIFEST_INVALID',
        message: expect.stringContaining('cannot be served') as string,
      },
    });
  });

  it('refuses what it cannot read', async () => {
    const gate = await attacked();
    await pushImage(gate.registry, 'team/app', contentImage('one\n'), '1');
    const named = `${gate.host}/team/app:1`;
    for (const body of [
      { image: named, record: 'no' },
      { image: named, record: false, action: 'push' },
      { image: named, record: false, survey: 'a b' },
      { image: named, record: false, survey: 5 },
      { image: named, survey: 'one' },
    ]) {
      const answer = await post(gate, 'decisions', body);
      expect([body, answer.status]).toEqual([body, 400]);
    }
  });

  it('records one event for a scan: who, what, and the counts', async () => {
    const gate = await attacked({ access: ACCESS });
    const scan = (who: string, body: object): Promise<Called> => post(gate, 'scans', body, as(who));
    const counts = { ...ZERO, allowed: 7, refused: 2 };
    const whole = { repositories: [`${gate.host}/**`], counts, complete: true };
    const one = { repositories: [`${gate.host}/team/app`], counts, complete: false };
    expect(await scan('boss', whole)).toMatchObject({ status: 200, text: '{"record":0}\n' });
    expect(await scan('boss', one)).toMatchObject({ status: 200, text: '{"record":1}\n' });
    expect(await scan('ci', whole)).toMatchObject({ status: 403 });
    expect(await scan('ci', one)).toMatchObject({ status: 403 });
    const answer = await gate.call('GET', '/api/v1/history?type=scan', { headers: as('boss') });
    expect(json(answer)['events']).toMatchObject([
      { actor: 'boss', repository: `${gate.host}/team/app`, data: { counts, complete: false } },
      { actor: 'boss', repository: null, data: { repositories: [`${gate.host}/**`] } },
    ]);
    for (const body of [
      {},
      { ...whole, repositories: [] },
      { ...whole, repositories: Array.from({ length: 33 }, () => `${gate.host}/a`) },
      { ...whole, repositories: [`${gate.host}/team/app:1`] },
      { ...whole, repositories: ['other.example.com/**'] },
      { ...whole, repositories: ['bad host/**'] },
      { ...whole, counts: { ...counts, allowed: -1 } },
      { ...whole, counts: { allowed: 1 } },
      { ...whole, counts: { ...counts, more: 1 } },
      { ...whole, complete: 'yes' },
      { ...whole, by: 'somebody else' },
    ]) {
      const refused = await scan('boss', body);
      expect([body, refused.status]).toEqual([body, 400]);
    }
  });
});
