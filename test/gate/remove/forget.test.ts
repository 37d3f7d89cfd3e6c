import { describe, expect, it } from 'vitest';
import type { Attacked } from '../../support/attacked.ts';
import { attackedGates } from '../../support/attacked.ts';
import type { TestImage } from '../../support/image.ts';
import { buildIndex, contentImage, pushImage } from '../../support/image.ts';

describe('what a gate remembers', () => {
  const attacked = attackedGates();

  const manifest = async (
    gate: Attacked,
    method: string,
    reference: string,
    path = 'team/app',
  ): Promise<number> => (await gate.call(method, `/v2/${path}/manifests/${reference}`)).status;

  /** The same signed image in two repositories, both warm by tag and by digest. */
  async function warm(): Promise<{ gate: Attacked; made: TestImage }> {
    const gate = await attacked({ policy: 'push: allow\n    delete: allow' });
    const made = contentImage('app\n');
    for (const path of ['team/app', 'team/other']) {
      await pushImage(gate.url, path, made, '1');
      expect((await gate.sign(path, made.digest)).status).toBe(201);
      for (const reference of ['1', made.digest])
        expect(await manifest(gate, 'GET', reference, path)).toBe(200);
    }
    return { gate, made };
  }

  it('T-53: goes with what is deleted, at the next request, in that repository and in no other', async () => {
    const { gate, made } = await warm();
    expect(await manifest(gate, 'DELETE', made.digest)).toBe(202);
    for (const reference of ['1', made.digest])
      for (const method of ['GET', 'HEAD'])
        expect([method, await manifest(gate, method, reference)]).toEqual([method, 404]);
    for (const reference of ['1', made.digest])
      expect(await manifest(gate, 'GET', reference, 'team/other')).toBe(200);
    // The upstream is gone: nothing of the old days comes back.
    gate.fault((request) => {
      request.socket.destroy();
      return true;
    });
    expect(await manifest(gate, 'GET', made.digest)).toBe(503);
  });

  it('T-02: counts for a minute from when the registry was asked, however slowly it answered', async () => {
    const gate = await attacked();
    const made = contentImage('slow\n');
    await pushImage(gate.registry, 'team/slow', made, '1');
    await gate.signBehind('team/slow', made.digest);
    let gone = false;
    gate.fault((request, response) => {
      if (request.url?.endsWith('.sig') !== true) return false;
      if (gone) {
        response.writeHead(404).end();
        return true;
      }
      gate.later(50_000);
      return false;
    });
    expect(await manifest(gate, 'GET', '1', 'team/slow')).toBe(200);
    gone = true;
    gate.later(8000);
    expect(await manifest(gate, 'GET', '1', 'team/slow')).toBe(200);
    gate.later(3000);
    for (const reference of ['1', made.digest])
      expect([reference, await manifest(gate, 'GET', reference, 'team/slow')]).toEqual([
        reference,
        403,
      ]);
  });

  it('T-55: falls with a key at the next request, by tag, by digest and by index, and after a restart', async () => {
    const { gate, made } = await warm();
    const child = contentImage('child\n');
    const index = buildIndex([child]);
    await pushImage(gate.url, 'team/app', index, 'multi');
    expect((await gate.sign('team/app', index.digest)).status).toBe(201);
    const references = ['1', made.digest, 'multi', index.digest, child.digest];
    const all = (): Promise<number[]> =>
      Promise.all(references.map((reference) => manifest(gate, 'GET', reference)));
    expect(await all()).toEqual([200, 200, 200, 200, 200]);
    const revoke = (undo: boolean) =>
      gate.call('POST', '/api/v1/revocations', {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ key: gate.signer.publicKey.id, undo }),
      });
    expect((await revoke(false)).status).toBe(200);
    expect(await all()).toEqual([403, 403, 403, 403, 403]);
    await gate.restart();
    expect(await all()).toEqual([403, 403, 403, 403, 403]);
    expect((await revoke(true)).status).toBe(200);
    expect(await all()).toEqual([200, 200, 200, 200, 200]);
  });
});
