import { describe, expect, it } from 'vitest';
import type { Attacked } from '../../support/attacked.ts';
import { as, attackedGates } from '../../support/attacked.ts';
import { call } from '../../support/http-call.ts';
import type { TestImage } from '../../support/image.ts';
import { contentImage, pushImage } from '../../support/image.ts';
import { answerError } from '../../support/wire-server.ts';

const MANIFESTS = '/v2/team/app/manifests';

describe('a deletion', () => {
  const attacked = attackedGates();

  /** A gate with a signed image under tag `1` that has just been pulled, by tag and by digest. */
  async function pulled(policy = 'delete: allow'): Promise<{ gate: Attacked; made: TestImage }> {
    const gate = await attacked({ policy });
    const made = contentImage('signed\n');
    await pushImage(gate.registry, 'team/app', made, '1');
    expect((await gate.signBehind('team/app', made.digest)).status).toBe(201);
    for (const reference of ['1', made.digest])
      expect((await gate.call('GET', `${MANIFESTS}/${reference}`)).status).toBe(200);
    return { gate, made };
  }

  const statuses = async (gate: Attacked, ...references: string[]): Promise<number[]> => {
    const found: number[] = [];
    for (const reference of references) {
      for (const method of ['HEAD', 'GET'])
        found.push((await gate.call(method, `${MANIFESTS}/${reference}`)).status);
    }
    return found;
  };

  it('T-53: by digest is gone at the next request, by digest and by tag, whatever is cached', async () => {
    const { gate, made } = await pulled();
    expect((await gate.call('DELETE', `${MANIFESTS}/${made.digest}`)).status).toBe(202);
    expect(await statuses(gate, made.digest, '1')).toEqual([404, 404, 404, 404]);
  });

  it('T-53: of a tag leaves the manifest by digest', async () => {
    const { gate, made } = await pulled();
    expect((await gate.call('DELETE', `${MANIFESTS}/1`)).status).toBe(202);
    expect(await statuses(gate, '1', made.digest)).toEqual([404, 404, 200, 200]);
  });

  it('T-53: whose answer got lost is forgotten all the same', async () => {
    const { gate, made } = await pulled();
    gate.fault((request, response) => {
      if (request.method !== 'DELETE') return false;
      void call(gate.registry, 'DELETE', request.url ?? '').then(() => response.destroy());
      return true;
    });
    expect((await gate.call('DELETE', `${MANIFESTS}/${made.digest}`)).status).toBe(503);
    expect(await statuses(gate, made.digest)).toEqual([404, 404]);
  });

  it('of the signature takes the trust with it', async () => {
    const { gate, made } = await pulled();
    const signature = `${MANIFESTS}/${made.digest.replace(':', '-')}.sig`;
    expect((await gate.call('DELETE', signature)).status).toBe(202);
    expect(await statuses(gate, '1', made.digest)).toEqual([403, 403, 403, 403]);
  });

  it('T-35: is refused by tag, by digest and of blobs under delete: deny, and asks nothing upstream', async () => {
    const { gate, made } = await pulled('delete: deny');
    gate.asked();
    for (const target of [
      `${MANIFESTS}/1`,
      `${MANIFESTS}/${made.digest}`,
      `/v2/team/app/blobs/${[...made.blobs.keys()][0]}`,
    ]) {
      const answer = await gate.call('DELETE', target);
      expect([target, answer.status, answer.code]).toEqual([target, 403, 'DENIED']);
    }
    expect(gate.asked()).toEqual([]);
  });

  it('T-35: is never made of another method, whatever the headers and the query say', async () => {
    const { gate, made } = await pulled();
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH']) {
      await gate.call(method, `${MANIFESTS}/${made.digest}?_method=DELETE&method=DELETE`, {
        headers: {
          'x-http-method-override': 'DELETE',
          'x-http-method': 'DELETE',
          'x-method-override': 'DELETE',
        },
      });
    }
    expect(await statuses(gate, made.digest, '1')).toEqual([200, 200, 200, 200]);
    expect(gate.asked().filter((line) => line.startsWith('DELETE'))).toEqual([]);
  });

  it("that upstream refuses is told in upstream's words, and changes nothing", async () => {
    const { gate, made } = await pulled();
    gate.fault((request, response) => {
      const hit = request.method === 'DELETE';
      if (hit) answerError(response, 405, 'UNSUPPORTED', 'deletes are off');
      return hit;
    });
    for (const reference of ['1', made.digest]) {
      const answer = await gate.call('DELETE', `${MANIFESTS}/${reference}`);
      expect([answer.status, answer.text.includes('deletes are off')]).toEqual([405, true]);
    }
    expect(await statuses(gate, made.digest, '1')).toEqual([200, 200, 200, 200]);
  });

  it('T-34: is a right by itself, which neither push nor admin brings', async () => {
    const gate = await attacked({
      policy: 'delete: allow\n    push: allow',
      access: `  - { repositories: ["\${registry}/team/**"], pull: [ci, dev, boss], push: [ci], admin: [boss], delete: [dev] }\n`,
    });
    const made = contentImage('mine\n');
    await pushImage(gate.url, 'team/app', made, '1', as('ci'));
    const remove = async (headers = {}): Promise<number> =>
      (await gate.call('DELETE', `${MANIFESTS}/1`, { headers })).status;
    expect([await remove(), await remove(as('ci')), await remove(as('boss'))]).toEqual([
      401, 403, 403,
    ]);
    expect(await remove(as('dev'))).toBe(202);
    // Who had it deleted is on record; what was refused came to nothing.
    const history = await gate.call(
      'GET',
      `/api/v1/history?image=${gate.host}/team/app&type=deletion`,
      {
        headers: as('boss'),
      },
    );
    const { events } = JSON.parse(history.text) as { events: readonly object[] };
    expect(events).toMatchObject([
      { type: 'deletion', actor: 'dev', tag: '1', data: { kind: 'manifest' } },
    ]);
    expect(events).toHaveLength(1);
  });
});
