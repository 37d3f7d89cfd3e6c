import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Attacked } from '../support/attacked.ts';
import { as, attackedGates } from '../support/attacked.ts';
import type { Called } from '../support/http-call.ts';
import { buildIndex, contentImage, pushImage } from '../support/image.ts';

const KEY = 'c'.repeat(64);
const ACCESS = `  - { repositories: ["\${registry}/team/**"], pull: [ci, dev], push: [ci] }
  - { repositories: ["\${registry}/**"], admin: [boss] }
`;

type Body = Record<string, unknown>;

const ask = (
  gate: Attacked,
  target: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Called> =>
  body === undefined
    ? gate.call('GET', target, { headers })
    : gate.call('POST', target, {
        body: typeof body === 'string' ? body : JSON.stringify(body),
        headers: { 'content-type': 'application/json', ...headers },
      });
const json = (answer: Called): Body => JSON.parse(answer.text) as Body;

describe('the API', () => {
  const attacked = attackedGates();

  it('decides as the gate does, and names the record', async () => {
    const gate = await attacked({ policy: 'push: allow' });
    const [signed, unsigned] = [contentImage('signed\n'), contentImage('unsigned\n')];
    await pushImage(gate.url, 'team/app', signed, '1');
    await pushImage(gate.url, 'team/app', unsigned, '2');
    await gate.sign('team/app', signed.digest);
    const decide = async (image: string, action = 'pull'): Promise<Body> =>
      json(await ask(gate, '/api/v1/decisions', { image: `${gate.host}/${image}`, action }));
    expect(await decide('team/app:1')).toMatchObject({
      decision: 'allow',
      digest: signed.digest,
      policy: { name: 'team' },
      reason: { code: 'TRUSTED' },
      record: expect.any(Number) as number,
    });
    expect(await decide('team/app:2')).toMatchObject({
      decision: 'deny',
      digest: unsigned.digest,
      reason: { code: 'NOT_TRUSTED' },
      findings: [{ format: 'cosign', status: 'absent' }],
      record: expect.any(Number) as number,
    });
    // T-06: where both are named the digest wins.
    expect(await decide(`team/app:2@${signed.digest}`)).toMatchObject({
      decision: 'allow',
      digest: signed.digest,
    });
    expect(await decide(`elsewhere/app@${signed.digest}`)).toMatchObject({
      decision: 'deny',
      policy: null,
      reason: { code: 'NO_POLICY' },
    });
    expect(
      await ask(gate, '/api/v1/decisions', { image: `${gate.host}/team/app:none` }),
    ).toMatchObject({ status: 404, code: 'MANIFEST_UNKNOWN' });
  });

  it('tells who may push the size of what is shown to nobody yet, and not its content', async () => {
    const gate = await attacked({ policy: 'push: allow', access: ACCESS });
    const unsigned = contentImage('unsigned\n');
    await pushImage(gate.url, 'team/app', unsigned, '1', as('ci'));
    const size = (who: string, more: object = {}): Promise<Called> =>
      ask(
        gate,
        '/api/v1/decisions',
        { image: `${gate.host}/team/app:1`, size: true, ...more },
        as(who),
      );
    const told = await size('ci');
    expect(json(told)).toMatchObject({ decision: 'deny', size: unsigned.manifest.length });
    expect(told.text).not.toContain('layers');
    expect(await size('dev')).toMatchObject({ status: 403, code: 'DENIED' });
    expect(await size('boss')).toMatchObject({ status: 403, code: 'DENIED' });
    expect(await size('ci', { size: 'yes' })).toMatchObject({ status: 400 });
    expect(await size('ci', { record: false })).toMatchObject({ status: 400 });
    const gone = await size('ci', { image: `${gate.host}/team/app@sha256:${'0'.repeat(64)}` });
    expect(json(gone)).toMatchObject({ decision: 'deny', size: null });
    // Who only reads is refused the image as before.
    const read = await gate.call('GET', '/v2/team/app/manifests/1', { headers: as('dev') });
    expect(read.status).toBe(403);
  });

  it('reads strict JSON with the members it knows, and says what is wrong', async () => {
    const gate = await attacked();
    const image = `${gate.host}/team/app:1`;
    for (const [target, body] of [
      ['decisions', '{"image":"a","image":"b"}'],
      ['decisions', `{"image":${JSON.stringify(image)}} trailing`],
      ['decisions', ''],
      ['decisions', '[]'],
      ['decisions', 'null'],
      ['decisions', '\ufeff{}'],
      ['decisions', { image, force: true }],
      ['decisions', { image, action: 'delete' }],
      ['decisions', { image: 5 }],
      ['decisions', { image: 'other.example.com/team/app:1' }],
      ['decisions', { image: `${gate.host}/Team/App:1` }],
      ['decisions', { image: `${gate.host}/team/app@sha256:abc` }],
      ['revocations', { image, key: KEY }],
      ['revocations', {}],
      ['revocations', { image: `${gate.host}/team/app` }],
      ['revocations', { key: KEY.toUpperCase() }],
      ['revocations', { image, undo: 'yes' }],
      ['revocations', { image, reason: 'x'.repeat(201) }],
      ['revocations', { image, by: 'somebody else' }],
    ] as const) {
      const answer = await ask(gate, `/api/v1/${target}`, body);
      expect([target, body, answer.status]).toEqual([target, body, 400]);
      expect(answer.code).toMatch(/^[A-Z_]+$/);
    }
    expect(json(await ask(gate, '/api/v1/revocations'))).toEqual({ revocations: [] });
  });

  it('T-59: refuses a body over its bound with 413 and an error of the table', async () => {
    const gate = await attacked();
    const answer = await ask(gate, '/api/v1/decisions', { image: 'x'.repeat(70_000) });
    expect(answer).toMatchObject({ status: 413, code: 'SIZE_INVALID' });
    const endless = (async function* () {
      for (let n = 0; n < 64; n++) yield Buffer.alloc(4096, 0x20);
      await sleep(3000);
    })();
    const chunked = await gate.call('POST', '/api/v1/decisions', {
      headers: { 'content-type': 'application/json' },
      body: endless,
    });
    expect(chunked).toMatchObject({ status: 413, code: 'SIZE_INVALID' });
    expect(gate.logs()).toContain('"code":"TOO_LARGE"');
  });

  it('answers paths and methods that it does not have with 404', async () => {
    const gate = await attacked();
    for (const [method, target] of [
      ['GET', '/api/v1/decisions'],
      ['DELETE', '/api/v1/revocations'],
      ['PUT', '/api/v1/holds'],
      ['GET', '/api/v1'],
      ['GET', '/api/v1/holds/'],
      ['GET', '/api/v1//holds'],
      ['GET', '/api/v2/holds'],
      ['GET', '/api/v1/holds/1/manifest/x'],
    ] as const) {
      expect([target, (await gate.call(method, target)).status]).toEqual([target, 404]);
    }
  });

  it('drops a hold for who pushed it and for administrators, and gives its tag no more', async () => {
    const access = `  - { repositories: ["\${registry}/team/**"], pull: ["*"], push: [ci, dev], admin: [boss] }\n`;
    const gate = await attacked({ policy: 'push: hold', access });
    const [one, two] = [contentImage('one\n'), contentImage('two\n')];
    await pushImage(gate.url, 'team/app', one, '1', as('ci'));
    await pushImage(gate.url, 'team/app', two, '2', as('dev'));
    const drop = (who: string | null, id: string): Promise<Called> =>
      gate.call('DELETE', `/api/v1/holds/${id}`, who === null ? {} : { headers: as(who) });
    expect((await drop(null, '1')).status).toBe(401);
    expect(await drop('dev', '1')).toMatchObject({
      status: 403,
      text: expect.stringContaining('was pushed by ci; only they drop it'),
    });
    const dropped = json(await drop('ci', '1'));
    expect(dropped).toMatchObject({ dropped: { id: 1, tag: '1', digest: one.digest } });
    for (const id of ['1', '3', '0', '-1', '1.5', 'NaN', '9'.repeat(30)])
      expect([id, (await drop('ci', id)).status]).toEqual([id, 404]);
    expect((await drop('boss', '2')).status).toBe(200);
    await gate.sign('team/app', one.digest, as('ci'));
    const pulled = await gate.call('GET', '/v2/team/app/manifests/1', { headers: as('dev') });
    expect(pulled.status).toBe(404);
    const history = `/api/v1/history?type=hold-superseded&image=${gate.host}/team/app`;
    expect(json(await ask(gate, history, undefined, as('boss')))).toMatchObject({
      events: [
        { tag: '2', actor: 'boss', data: { reason: 'dropped by hand' } },
        { tag: '1', actor: 'ci', data: { reason: 'dropped by hand' } },
      ],
    });
  });

  it('shows holds and their bytes to those who may push, and no more than the hold contains', async () => {
    const gate = await attacked({ policy: 'push: hold', access: ACCESS });
    const [child, stranger] = [contentImage('child\n'), contentImage('stranger\n')];
    const index = buildIndex([child]);
    await pushImage(gate.url, 'team/app', index, '1', as('ci'));
    await pushImage(gate.url, 'team/app', stranger, undefined, as('ci'));
    const holds = async (who: string, query = ''): Promise<unknown> =>
      (json(await ask(gate, `/api/v1/holds${query}`, undefined, as(who))) as { holds?: unknown })
        .holds;
    const hold = { id: 1, tag: '1', digest: index.digest, pushedBy: 'ci' };
    expect(await holds('ci')).toEqual([expect.objectContaining(hold)]);
    expect(await holds('ci', `?image=${gate.host}/team/app:1`)).toHaveLength(1);
    expect(await holds('ci', `?image=${gate.host}/team/app:2`)).toEqual([]);
    expect(await holds('dev')).toEqual([]);
    expect(await holds('boss')).toEqual([]);
    const bytes = (who: string, query = '', id = '1'): Promise<Called> =>
      ask(gate, `/api/v1/holds/${id}/manifest${query}`, undefined, as(who));
    expect((await bytes('ci')).body).toEqual(index.manifest);
    expect((await bytes('ci', `?digest=${child.digest}`)).body).toEqual(child.manifest);
    expect((await bytes('ci', `?digest=${stranger.digest}`)).status).toBe(404);
    expect((await bytes('ci', '?digest=sha256:../../x')).status).toBe(400);
    expect((await bytes('dev')).status).toBe(404);
    for (const id of ['2', '0', '-1', '1.5', '1e0x', 'NaN', '9'.repeat(30)])
      expect([id, (await bytes('ci', '', id)).status]).toEqual([id, 404]);
  });

  it('T-34: gives each right to those only who have it', async () => {
    const gate = await attacked({ access: ACCESS });
    const revoke = async (who: string | null, body: Body): Promise<number> =>
      (await ask(gate, '/api/v1/revocations', body, who === null ? {} : as(who))).status;
    const target = { image: `${gate.host}/team/app:1` };
    expect(await revoke(null, target)).toBe(401);
    expect(await revoke('dev', target)).toBe(403);
    expect(await revoke('ci', target)).toBe(403);
    expect(await revoke('ci', { key: KEY })).toBe(403);
    expect(await revoke('boss', target)).toBe(200);
    expect(await revoke('boss', { key: KEY })).toBe(200);
    const status = async (who: string | null, path: string): Promise<number> =>
      (await ask(gate, path, undefined, who === null ? {} : as(who))).status;
    const team = `/api/v1/history?image=${gate.host}/team/app`;
    const other = `/api/v1/history?image=${gate.host}/other/app`;
    expect(await status(null, team)).toBe(401);
    expect([await status('dev', team), await status('dev', other)]).toEqual([200, 403]);
    expect([
      await status('dev', '/api/v1/history'),
      await status('boss', '/api/v1/history'),
    ]).toEqual([403, 200]);
    const seen = async (who: string): Promise<string[]> => {
      const { revocations } = json(await ask(gate, '/api/v1/revocations', undefined, as(who)));
      return (revocations as { kind: string }[]).map((one) => one.kind);
    };
    expect(await seen('dev')).toEqual(['tag', 'key']);
    expect(await seen('boss')).toEqual(['key']);
    const bad = await ask(gate, team, undefined, {
      authorization: `Basic ${Buffer.from('boss:wrong').toString('base64')}`,
    });
    expect(bad).toMatchObject({ status: 401, code: 'UNAUTHORIZED' });
    const decide = async (who: string, action: string): Promise<number> => {
      const body = { image: `${gate.host}/other/app:1`, action };
      return (await ask(gate, '/api/v1/decisions', body, as(who))).status;
    };
    expect([await decide('dev', 'pull'), await decide('dev', 'push')]).toEqual([403, 403]);
  });

  it('bounds the pages of history and refuses what it cannot read', async () => {
    const gate = await attacked();
    for (let n = 0; n < 5; n++)
      await ask(gate, '/api/v1/revocations', { image: `${gate.host}/team/app:${n}` });
    const page = async (query: string): Promise<Body> =>
      json(await ask(gate, `/api/v1/history?${query}`));
    const first = await page(`image=${gate.host}/team/app&limit=2`);
    expect(first['events']).toHaveLength(2);
    const events = first['events'] as { tag: string }[];
    expect(events.map((one) => one.tag)).toEqual(['4', '3']);
    for (const query of ['limit=0', 'limit=100000', 'limit=x', 'before=-1', 'image=%00']) {
      expect([query, (await ask(gate, `/api/v1/history?${query}`)).status]).toEqual([query, 400]);
    }
  });
});
