import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { attackedGates } from '../support/attacked.ts';
import { buildImage, buildIndex, contentImage, pushImage } from '../support/image.ts';

describe('while things change', () => {
  const attacked = attackedGates();

  it('serves no unsigned bytes by a tag that the registry moves between signed and unsigned (T-01, T-02)', async () => {
    const gate = await attacked({ policy: 'push: hold' });
    const [good, evil] = [contentImage('good\n'), contentImage('evil\n')];
    await pushImage(gate.url, 'team/app', good, '1');
    expect((await gate.sign('team/app', good.digest)).status).toBe(201);
    let stop = false;
    const moving = (async () => {
      while (!stop) {
        await pushImage(gate.registry, 'team/app', evil, '1');
        await pushImage(gate.registry, 'team/app', good, '1');
      }
    })();
    // What each answer came to: the signed image whole, a refusal, or something else.
    const came = new Set<string>();
    const end = performance.now() + 6000;
    for (let n = 0; performance.now() < end; n++) {
      const method = n % 2 === 0 ? 'GET' : 'HEAD';
      const all = await Promise.all(
        [1, 2, 3, 4].map(() => gate.call(method, '/v2/team/app/manifests/1')),
      );
      for (const { status, headers, body } of all) {
        const digest = String(headers['docker-content-digest']);
        const whole = method === 'HEAD' || body.equals(good.manifest);
        const signed = status === 200 && digest === good.digest && whole;
        // Who is seen pushing here gets 404 for a HEAD.
        const refused = status === 403 || (method === 'HEAD' && status === 404);
        came.add(signed ? 'signed' : refused ? 'refused' : `${status} ${digest}`);
      }
    }
    stop = true;
    await moving;
    expect(came).toEqual(new Set(['signed', 'refused']));
  });

  it('answers a pull after a revocation by the revocation, however many are revoked at once (T-55)', async () => {
    const gate = await attacked({ policy: 'push: allow' });
    const images = Array.from({ length: 12 }, (_, n) => contentImage(`${n}\n`));
    for (const one of images) {
      await pushImage(gate.url, 'team/app', one);
      expect((await gate.sign('team/app', one.digest)).status).toBe(201);
      expect((await gate.call('GET', `/v2/team/app/manifests/${one.digest}`)).status).toBe(200);
    }
    const after = await Promise.all(
      images.map(async ({ digest }) => {
        const revoked = await gate.call('POST', '/api/v1/revocations', {
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ image: `${gate.host}/team/app@${digest}`, reason: 'test' }),
        });
        expect(revoked.status).toBe(200);
        return (await gate.call('GET', `/v2/team/app/manifests/${digest}`)).status;
      }),
    );
    expect(new Set(after)).toEqual(new Set([403]));
  });

  it('keeps to policies while their files are cut, emptied, linked away and restored', async () => {
    const gate = await attacked({ policy: 'push: allow' });
    const evil = contentImage('evil\n');
    await pushImage(gate.url, 'team/app', evil, '1');
    const file = join(gate.policies, 'policy.yaml');
    const whole = readFileSync(file, 'utf8');
    const end = performance.now() + 4000;
    for (let n = 0; performance.now() < end; n++) {
      writeFileSync(file, n % 7 === 0 ? whole : whole.slice(0, (n * 37) % whole.length));
      const { status } = await gate.call('GET', '/v2/team/app/manifests/1');
      expect(status).toBe(403);
    }
  });

  it('judges a child anew when its parent is no longer trusted', async () => {
    const gate = await attacked({ policy: 'push: allow' });
    const child = contentImage('child\n');
    const index = buildIndex([child]);
    await pushImage(gate.url, 'team/app', index, '1');
    const pull = async () =>
      (await gate.call('GET', `/v2/team/app/manifests/${child.digest}`)).status;
    expect(await pull()).toBe(403);
    expect((await gate.sign('team/app', index.digest)).status).toBe(201);
    expect(await pull()).toBe(200);
    await gate.call('POST', '/api/v1/revocations', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ image: `${gate.host}/team/app@${index.digest}`, reason: 'test' }),
    });
    expect(await pull()).toBe(403);
  });

  it('gives no child to an unsigned index, nor from another repository, nor by a layer (T-48, T-54)', async () => {
    const gate = await attacked({ policy: 'push: allow' });
    const evil = contentImage('evil\n');
    const good = buildImage({ layers: [evil.manifest], config: evil.manifest });
    await pushImage(gate.url, 'team/app', evil);
    await pushImage(gate.url, 'team/app', buildIndex([evil]), 'evil');
    await pushImage(gate.url, 'team/app', good, 'layers');
    expect((await gate.sign('team/app', good.digest)).status).toBe(201);
    const index = buildIndex([evil]);
    await pushImage(gate.url, 'team/other', index, 'signed');
    expect((await gate.sign('team/other', index.digest)).status).toBe(201);
    const pull = async (path: string) =>
      (await gate.call('GET', `/v2/${path}/manifests/${evil.digest}`)).status;
    expect(await pull('team/other')).toBe(200);
    expect(await pull('team/app')).toBe(403);
  });
});
