import { describe, expect, it } from 'vitest';
import { attackedGates, as } from '../support/attacked.ts';
import type { Fault } from '../support/attacked.ts';
import { answerError } from '../support/wire-server.ts';
import { contentImage, pushImage } from '../support/image.ts';

const ACCESS = `  - { repositories: ["\${registry}/team/**"], pull: [ci, dev], push: [ci], admin: [boss] }\n`;

describe('what strangers get', () => {
  const attacked = attackedGates();

  it('is nothing from a registry that hides what they may not read behind 404', async () => {
    const gate = await attacked({ policy: 'push: hold' });
    const made = contentImage('private\n');
    await pushImage(gate.url, 'team/app', made, '1');
    expect((await gate.sign('team/app', made.digest)).status).toBe(201);
    // From now on the registry knows its people, and shows strangers an empty house.
    gate.fault((request, response) => {
      const stranger = request.headers.authorization !== as('ci').authorization;
      if (stranger) answerError(response, 404, 'MANIFEST_UNKNOWN', 'manifest unknown');
      return stranger;
    });
    const target = `/v2/team/app/manifests/${made.digest}`;
    const pull = async (who: string): Promise<number> =>
      (await gate.call('GET', target, { headers: as(who) })).status;
    expect(await pull('ci')).toBe(200);
    for (let round = 0; round < 3; round++) expect(await pull('dev')).toBe(404);
  });

  it('is no challenge of the registry behind, where the gate has identities of its own (T-71)', async () => {
    const gate = await attacked({ access: ACCESS });
    const challenge: Fault = (_request, response) => {
      response.setHeader('www-authenticate', 'Bearer realm="http://evil.example.com/token"');
      answerError(response, 401, 'UNAUTHORIZED', 'log in elsewhere');
      return true;
    };
    gate.fault(challenge);
    const digest = `sha256:${'a'.repeat(64)}`;
    for (const [method, target] of [
      ['GET', '/v2/team/app/manifests/1'],
      ['GET', `/v2/team/app/manifests/${digest}`],
      ['GET', `/v2/team/app/blobs/${digest}`],
      ['GET', '/v2/team/app/tags/list'],
      ['POST', '/v2/team/app/blobs/uploads/'],
    ] as const) {
      const answer = await gate.call(method, target, { headers: as('ci') });
      expect([target, answer.status]).toEqual([target, 503]);
      expect(answer.headers['www-authenticate']).toBeUndefined();
    }
  });

  it('is upstream’s own answer, and no word of what is trusted or governed here', async () => {
    const gate = await attacked({ policy: 'blobs: linked' });
    const made = contentImage('private\n');
    await pushImage(gate.url, 'team/app', made);
    expect((await gate.sign('team/app', made.digest)).status).toBe(201);
    const other = contentImage('unknown\n');
    gate.fault((request, response) => {
      const stranger = request.headers.authorization !== as('ci').authorization;
      if (stranger) response.setHeader('www-authenticate', 'Basic realm="x"');
      if (stranger) answerError(response, 401, 'UNAUTHORIZED', 'log in');
      return stranger;
    });
    const blobs = [made, other].flatMap((one) => [...one.blobs.keys()]);
    for (const who of [as('ci'), as('dev')]) {
      const answers = new Set<string>();
      for (const repository of ['team/app', 'elsewhere/app'])
        for (const digest of blobs) {
          const target = `/v2/${repository}/blobs/${digest}`;
          const { status, code, headers } = await gate.call('GET', target, { headers: who });
          answers.add(`${status} ${code} ${headers['www-authenticate']}`);
        }
      for (const { mediaType, manifest } of [made, other]) {
        const { status, code, headers } = await gate.call('PUT', '/v2/team/app/manifests/1', {
          headers: { ...who, 'content-type': mediaType },
          body: manifest,
        });
        answers.add(`${status} ${code} ${headers['www-authenticate']}`);
      }
      if (who.authorization === as('dev').authorization)
        expect([...answers]).toEqual(['401 UNAUTHORIZED Basic realm="x"']);
      else expect(answers.size).toBeGreaterThan(1);
    }
  });

  it('is no room in memory: a manifest is not read before the right to push it (T-59)', async () => {
    const gate = await attacked({ access: ACCESS });
    let read = 0;
    const endless = (async function* () {
      for (; read < 3 * 1024 * 1024; read += 65536) yield Buffer.alloc(65536, 32);
      // A body that never ends: only a service that waits for it would not answer.
      await new Promise(() => undefined);
    })();
    const answer = await gate.call('PUT', '/v2/team/app/manifests/1', {
      headers: { 'content-type': 'application/vnd.oci.image.manifest.v1+json' },
      body: endless,
    });
    expect(answer.status).toBe(401);
  });
});
