import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { attackedGates } from '../../support/attacked.ts';
import { answerError } from '../../support/wire-server.ts';
import { contentImage, pushImage } from '../../support/image.ts';

async function until(true_: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 20_000;
  while (!(await true_())) {
    if (performance.now() > end) throw new Error('it did not come about');
    await sleep(50);
  }
}

describe('the order of holds', () => {
  const attacked = attackedGates();

  it('is not undone by an older promotion that the registry had refused for a while', async () => {
    const gate = await attacked({ policy: 'push: hold' });
    const [older, newer] = [contentImage('older\n'), contentImage('newer\n')];
    await pushImage(gate.url, 'team/app', older, '1');
    await pushImage(gate.url, 'team/app', newer, '1');
    const tagPut = 'PUT /v2/team/app/manifests/1';
    gate.fault((request, response) => {
      const hit = `${request.method} ${request.url}` === tagPut;
      if (hit) answerError(response, 503, 'UNAVAILABLE', 'not now');
      return hit;
    });
    expect((await gate.sign('team/app', older.digest)).status).toBe(201);
    expect(gate.asked()).toContain(tagPut);
    gate.fault(null);
    expect((await gate.sign('team/app', newer.digest)).status).toBe(201);
    const tag = async (): Promise<unknown> =>
      (await gate.call('GET', '/v2/team/app/manifests/1')).headers['docker-content-digest'];
    expect(await tag()).toBe(newer.digest);
    // What was intended before is looked after again at the start.
    await gate.restart();
    await until(async () => (await gate.call('GET', '/metrics')).text.includes('countersign'));
    await sleep(500);
    expect(await tag()).toBe(newer.digest);
  });
});
