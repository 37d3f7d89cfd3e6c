import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Attacked } from '../../support/attacked.ts';
import { as, attackedGates } from '../../support/attacked.ts';
import { contentImage, pushImage } from '../../support/image.ts';
import { answerError } from '../../support/wire-server.ts';

const TAG_PUT = 'PUT /v2/team/app/manifests/1';
const ACCESS = `  - { repositories: ["\${registry}/team/**"], pull: [ci, dev, boss], push: [ci, boss] }\n`;
const HOUR = 3_600_000;

const tag = async (gate: Attacked, name = '1'): Promise<unknown> => {
  const answer = await gate.call('GET', `/v2/team/app/manifests/${name}`);
  return answer.status === 200 ? answer.headers['docker-content-digest'] : answer.status;
};
const waiting = async (gate: Attacked): Promise<string[]> => {
  const { holds } = JSON.parse((await gate.call('GET', '/api/v1/holds')).text) as {
    holds: { digest: string }[];
  };
  return holds.map((one) => one.digest);
};
const events = async (gate: Attacked): Promise<string[]> => {
  const { events: all } = JSON.parse((await gate.call('GET', '/api/v1/history')).text) as {
    events: { type: string }[];
  };
  return all.map((one) => one.type).toReversed();
};
async function until(what: string, true_: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 20_000;
  while (!(await true_())) {
    if (performance.now() > end) throw new Error(`${what} did not come about`);
    await sleep(50);
  }
}
/** The registry takes no tag from now on. */
const noTags = (gate: Attacked): void =>
  gate.fault((request, response) => {
    const hit = `${request.method} ${request.url}` === TAG_PUT;
    if (hit) answerError(response, 503, 'UNAVAILABLE', 'not now');
    return hit;
  });

describe('a held push', () => {
  const attacked = attackedGates();

  it('waits in the order of arrival, evicts no other, and the later promoted one keeps the tag', async () => {
    const gate = await attacked({ policy: 'push: hold' });
    const [a, b, c] = [contentImage('a\n'), contentImage('b\n'), contentImage('c\n')];
    for (const one of [a, b, c]) await pushImage(gate.url, 'team/app', one, '1');
    expect(await waiting(gate)).toEqual([a.digest, b.digest, c.digest]);
    expect(await tag(gate)).toBe(403);
    await gate.sign('team/app', b.digest);
    // What is older can never have the tag: it waits no more, so that a bare tag does not mean it.
    expect([await tag(gate), await waiting(gate)]).toEqual([b.digest, [c.digest]]);
    expect(await events(gate)).toContain('hold-superseded');
    // Signed and readable, but the tag does not go back.
    await gate.sign('team/app', a.digest);
    expect([await tag(gate), await waiting(gate)]).toEqual([b.digest, [c.digest]]);
    expect((await gate.call('GET', `/v2/team/app/manifests/${a.digest}`)).status).toBe(200);
    await gate.sign('team/app', c.digest);
    expect([await tag(gate), await waiting(gate)]).toEqual([c.digest, []]);
    expect((await events(gate)).filter((type) => type === 'promoted')).toHaveLength(2);
  });

  it('is overtaken by a trusted push of the tag, and never moves it back', async () => {
    const gate = await attacked({ policy: 'push: hold' });
    const [held, trusted] = [contentImage('held\n'), contentImage('trusted\n')];
    await pushImage(gate.url, 'team/app', held, '1');
    await pushImage(gate.url, 'team/app', trusted);
    await gate.sign('team/app', trusted.digest);
    await pushImage(gate.url, 'team/app', trusted, '1');
    expect([await tag(gate), await waiting(gate)]).toEqual([trusted.digest, []]);
    await gate.sign('team/app', held.digest);
    expect(await tag(gate)).toBe(trusted.digest);
    await gate.restart();
    expect(await tag(gate)).toBe(trusted.digest);
  });

  it('expires: it is dropped, logged and not promoted by a signature that comes too late', async () => {
    const gate = await attacked({ policy: 'push: hold\n    holdFor: 1h' });
    const made = contentImage('late\n');
    await pushImage(gate.url, 'team/app', made, '1');
    gate.later(HOUR);
    // Before any look at what waits has dropped it.
    await gate.sign('team/app', made.digest);
    const told = async (): Promise<string> => {
      const answer = await gate.call('GET', '/v2/team/app/manifests/1');
      return `${answer.status} ${answer.text}`;
    };
    expect(await told()).toMatch(/^404 .*app:1 \(sha256:.*was held, .*not signed.*push it again/);
    await gate.restart();
    expect(await told()).toMatch(/^404 .*was held, /);
    await until('the expiry', async () => (await events(gate)).includes('hold-expired'));
    expect(await waiting(gate)).toEqual([]);
    // Pushed again now that it is signed, it needs no hold.
    await pushImage(gate.url, 'team/app', made, '1');
    expect(await tag(gate)).toBe(made.digest);
  });

  it('whose promotion upstream refuses is given by the look after it, also over a restart', async () => {
    const gate = await attacked({ policy: 'push: hold' });
    const made = contentImage('stubborn\n');
    await pushImage(gate.url, 'team/app', made, '1');
    noTags(gate);
    expect((await gate.sign('team/app', made.digest)).status).toBe(201);
    expect(await events(gate)).toContain('promotion-intended');
    expect(await events(gate)).not.toContain('promoted');
    await gate.restart();
    await until('a new try', async () => gate.asked().includes(TAG_PUT));
    expect(await tag(gate)).toBe(404);
    gate.fault(null);
    await until('the promotion', async () => (await tag(gate)) === made.digest);
    await until('its record', async () => (await events(gate)).includes('promoted'));
  });

  it('whose intent outlives the trust in it is dropped, not given', async () => {
    const gate = await attacked({ policy: 'push: hold' });
    const made = contentImage('revoked\n');
    await pushImage(gate.url, 'team/app', made, '1');
    noTags(gate);
    await gate.sign('team/app', made.digest);
    const revoked = await gate.call('POST', '/api/v1/revocations', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ image: `${gate.host}/team/app@${made.digest}` }),
    });
    expect(revoked.status).toBe(200);
    gate.fault(null);
    expect(gate.asked()).toContain(TAG_PUT);
    await gate.restart();
    await until('the drop', async () => (await events(gate)).includes('hold-superseded'));
    expect(gate.asked()).not.toContain(TAG_PUT);
  });

  it('is tried again while upstream refuses its promotion, and given up when its time is over', async () => {
    const gate = await attacked({ policy: 'push: hold\n    holdFor: 1h' });
    gate.fault((request, response) => {
      const hit = `${request.method} ${request.url}` === TAG_PUT;
      if (hit) answerError(response, 403, 'DENIED', 'never');
      return hit;
    });
    const made = contentImage('refused for good\n');
    await pushImage(gate.url, 'team/app', made, '1');
    await gate.sign('team/app', made.digest);
    expect(gate.asked()).toContain(TAG_PUT);
    await until('another try', async () => gate.asked().includes(TAG_PUT));
    expect(await events(gate)).not.toContain('hold-expired');
    gate.later(HOUR);
    await until('the end', async () => (await events(gate)).includes('hold-expired'));
    expect(await waiting(gate)).toEqual([]);
  });

  it('is promoted by a signature that came round the gate', async () => {
    const gate = await attacked({ policy: 'push: hold' });
    const made = contentImage('behind\n');
    await pushImage(gate.url, 'team/app', made, '1');
    await gate.stop();
    await gate.signBehind('team/app', made.digest);
    await gate.restart();
    await until('the promotion', async () => (await tag(gate)) === made.digest);
    expect(await tag(gate)).toBe(made.digest);
  });

  it('may be read by digest by those who push there, within its time, and by nobody else', async () => {
    const gate = await attacked({ policy: 'push: hold\n    holdFor: 1h', access: ACCESS });
    const made = contentImage('read\n');
    await pushImage(gate.url, 'team/app', made, '1', as('ci'));
    const read = async (
      who: string | null,
      reference: string,
      path = 'team/app',
    ): Promise<number> => {
      const headers = who === null ? {} : as(who);
      return (await gate.call('GET', `/v2/${path}/manifests/${reference}`, { headers })).status;
    };
    expect(await read('ci', made.digest)).toBe(200);
    expect(await read('boss', made.digest)).toBe(200);
    expect(await read('dev', made.digest)).toBe(403);
    expect(await read(null, made.digest)).toBe(401);
    expect(await read('ci', '1')).toBe(403);
    // Pushed there, through the gate: elsewhere, or behind its back, is not enough.
    await pushImage(gate.registry, 'team/other', made, '1');
    expect(await read('ci', made.digest, 'team/other')).toBe(403);
    expect(await read('ci', '1', 'team/other')).toBe(403);
    gate.later(HOUR);
    expect(await read('ci', made.digest)).toBe(403);
    // HEAD says "not there" to those who may push, and "no" to the others.
    const head = async (who: string): Promise<number> =>
      (await gate.call('HEAD', `/v2/team/app/manifests/${made.digest}`, { headers: as(who) }))
        .status;
    expect([await head('ci'), await head('dev')]).toEqual([404, 403]);
  });
});
