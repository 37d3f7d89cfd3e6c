import { describe, expect, it } from 'vitest';
import type { Attacked } from '../support/attacked.ts';
import { as, attackedGates } from '../support/attacked.ts';
import type { TestImage } from '../support/image.ts';
import { buildIndex, contentImage, pushImage } from '../support/image.ts';
import { answerError } from '../support/wire-server.ts';

const MINUTE = 60_000;

/** The registry behind the gate is gone. */
const down = (gate: Attacked): void =>
  gate.fault((request) => {
    request.socket.destroy();
    return true;
  });

/** It answers, but with trouble of its own. */
const broken = (gate: Attacked): void =>
  gate.fault((_request, response) => {
    answerError(response, 502, 'UNKNOWN', 'bad gateway');
    return true;
  });

describe('while the registry behind the gate is down', () => {
  const attacked = attackedGates();

  interface Stocked {
    readonly gate: Attacked;
    readonly signed: TestImage;
    readonly other: TestImage;
    readonly get: (reference: string, who?: string) => ReturnType<Attacked['call']>;
    readonly revoke: (body: object) => Promise<void>;
  }

  /** Two signed images; `1` is the first. */
  async function stocked(policy = ''): Promise<Stocked> {
    const gate = await attacked({ policy: `push: allow\n    ${policy}` });
    const [signed, other] = [contentImage('signed\n'), contentImage('other\n')];
    await pushImage(gate.url, 'team/app', signed, '1');
    await pushImage(gate.url, 'team/app', other);
    for (const one of [signed, other])
      expect((await gate.sign('team/app', one.digest)).status).toBe(201);
    await gate.restart();
    return {
      gate,
      signed,
      other,
      get: (reference, who) =>
        gate.call('GET', `/v2/team/app/manifests/${reference}`, {
          headers: who === undefined ? {} : as(who),
        }),
      revoke: async (body) => {
        const answer = await gate.call('POST', '/api/v1/revocations', {
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        });
        expect(answer.status).toBe(200);
      },
    };
  }

  it.each([
    ['gone', down],
    ['answering 502', broken],
  ])(
    'and %s: what is known serves for the grace, all else is 503 with Retry-After, and it recovers at once',
    async (_, fail) => {
      const { gate, signed, other, get } = await stocked('authGrace: 10m');
      expect((await get(signed.digest)).status).toBe(200);
      expect((await get('1')).status).toBe(200);
      fail(gate);
      for (const passed of [0, 2 * MINUTE, 7 * MINUTE]) {
        gate.later(passed);
        expect(await get(signed.digest)).toMatchObject({ status: 200, body: signed.manifest });
      }
      // Nobody can say what a tag is now, nor has this digest been judged.
      for (const reference of ['1', other.digest, `sha256:${'0'.repeat(64)}`]) {
        const got = await get(reference);
        expect([reference, got.status, got.headers['retry-after']]).toEqual([reference, 503, '5']);
      }
      gate.later(MINUTE);
      expect((await get(signed.digest)).status).toBe(503);
      gate.fault(null);
      for (const reference of ['1', signed.digest, other.digest])
        expect([reference, (await get(reference)).status]).toEqual([reference, 200]);
    },
  );

  it('starts, answers 503 with Retry-After to every pull, and recovers at once', async () => {
    const { gate, signed, get } = await stocked('authGrace: 10m');
    await gate.stop();
    down(gate);
    await gate.restart();
    expect((await gate.call('GET', '/healthz')).status).toBe(200);
    for (const reference of ['1', signed.digest]) {
      const got = await get(reference);
      expect([got.status, got.headers['retry-after']]).toEqual([503, '5']);
    }
    gate.fault(null);
    for (const reference of ['1', signed.digest]) expect((await get(reference)).status).toBe(200);
  });

  it('serves a child of an index by what was found of the index', async () => {
    const { gate, get } = await stocked('authGrace: 10m');
    const child = contentImage('child\n');
    const index = buildIndex([child]);
    await pushImage(gate.url, 'team/app', index);
    expect((await gate.sign('team/app', index.digest)).status).toBe(201);
    expect((await get(child.digest)).status).toBe(200);
    down(gate);
    gate.later(9 * MINUTE);
    expect((await get(child.digest)).status).toBe(200);
    gate.later(MINUTE);
    expect((await get(child.digest)).status).toBe(503);
  });

  it('says that a revoked digest is revoked, but only to those who may know', async () => {
    const { gate, signed, other, get, revoke } = await stocked('authGrace: 10m');
    expect((await get(signed.digest, 'ci')).status).toBe(200);
    down(gate);
    gate.later(2 * MINUTE);
    for (const one of [signed, other])
      await revoke({ image: `${gate.host}/team/app@${one.digest}` });
    for (const one of [signed, other]) {
      const got = await get(one.digest, 'ci');
      expect([got.status, got.text]).toEqual([403, expect.stringContaining('revoked')]);
      // A stranger learns nothing: not even that there is such a digest.
      const stranger = await get(one.digest, 'dev');
      expect([stranger.status, stranger.text]).toEqual([503, expect.not.stringContaining('revok')]);
    }
    expect((await get('1', 'ci')).status).toBe(503);
  });

  it('T-55: judges what was found by the revocations of now: another image stays, those of the key fall', async () => {
    const { gate, signed, other, get, revoke } = await stocked('authGrace: 10m');
    for (const one of [signed, other]) expect((await get(one.digest)).status).toBe(200);
    down(gate);
    gate.later(2 * MINUTE);
    await revoke({ image: `${gate.host}/team/app@${other.digest}` });
    expect((await get(signed.digest)).status).toBe(200);
    expect((await get(other.digest)).status).toBe(403);
    await revoke({ key: gate.signer.publicKey.id });
    expect((await get(signed.digest)).status).toBe(403);
    await revoke({ key: gate.signer.publicKey.id, undo: true });
    expect((await get(signed.digest)).status).toBe(200);
  });

  it('forgets by then what was withdrawn before: a signature that was gone does not come back', async () => {
    const { gate, signed, get } = await stocked('authGrace: 10m');
    expect((await get(signed.digest)).status).toBe(200);
    const tag = `${signed.digest.replace(':', '-')}.sig`;
    gate.fault((request, response) => {
      const hit = request.url?.endsWith(`/manifests/${tag}`) === true;
      if (hit) answerError(response, 404, 'MANIFEST_UNKNOWN', 'gone');
      return hit;
    });
    gate.later(MINUTE + 1);
    expect((await get(signed.digest)).status).toBe(403);
    down(gate);
    gate.later(4000);
    expect((await get(signed.digest)).status).toBe(503);
  });
});
