import { describe, expect, it } from 'vitest';
import type { Digest } from '../../../src/oci/digest.ts';
import type { Attacked } from '../../support/attacked.ts';
import { attackedGates } from '../../support/attacked.ts';
import type { TestImage } from '../../support/image.ts';
import { buildIndex, contentImage, pushImage } from '../../support/image.ts';
import { answerError } from '../../support/wire-server.ts';

const status = async (gate: Attacked, digest: Digest, path = 'team/app'): Promise<number> =>
  (await gate.call('GET', `/v2/${path}/manifests/${digest}`)).status;
const post = (gate: Attacked, body: object) =>
  gate.call('POST', '/api/v1/revocations', {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

describe('a child of an index', () => {
  const attacked = attackedGates();

  it('is admitted by digest while a nested index above it is signed, as deep as the bound', async () => {
    const gate = await attacked({ policy: 'push: allow' });
    const child = contentImage('child\n');
    const chain = [child];
    for (let level = 1; level <= 5; level++)
      chain.push(buildIndex([chain[level - 1] ?? child], { annotations: { level: `${level}` } }));
    const [, , , , fourth, fifth] = chain;
    if (fourth === undefined || fifth === undefined) throw new Error('expected five levels');
    await pushImage(gate.url, 'team/app', fifth);
    expect(await status(gate, child.digest)).toBe(403);
    // Five levels up is one too many; four is the bound.
    expect((await gate.sign('team/app', fifth.digest)).status).toBe(201);
    gate.later(31_000);
    expect(await status(gate, fourth.digest)).toBe(200);
    expect(await status(gate, child.digest)).toBe(403);
    expect((await gate.sign('team/app', fourth.digest)).status).toBe(201);
    gate.later(31_000);
    expect(await status(gate, child.digest)).toBe(200);
  });

  it('gives no tag: it is admitted by digest only', async () => {
    const gate = await attacked({ policy: 'push: reject' });
    const child = contentImage('child\n');
    const index = buildIndex([child]);
    await pushImage(gate.url, 'team/app', index);
    await gate.sign('team/app', index.digest);
    expect(await status(gate, child.digest)).toBe(200);
    await expect(pushImage(gate.url, 'team/app', child, '1')).rejects.toThrow('answered 403');
    await pushImage(gate.registry, 'team/app', child, '1');
    expect((await gate.call('GET', '/v2/team/app/manifests/1')).status).toBe(403);
  });

  it('falls with its parent, by digest or with the key, at the next request', async () => {
    const gate = await attacked({ policy: 'push: allow' });
    const child = contentImage('child\n');
    const [one, two] = [buildIndex([child]), buildIndex([child], { annotations: { a: 'b' } })];
    for (const index of [one, two]) {
      await pushImage(gate.url, 'team/app', index);
      await gate.sign('team/app', index.digest);
    }
    const image_ = (digest: Digest): string => `${gate.host}/team/app@${digest}`;
    expect(await status(gate, child.digest)).toBe(200);
    await post(gate, { image: image_(one.digest) });
    expect(await status(gate, child.digest)).toBe(200);
    await post(gate, { image: image_(two.digest) });
    expect(await status(gate, child.digest)).toBe(403);
    await post(gate, { image: image_(two.digest), undo: true });
    expect(await status(gate, child.digest)).toBe(200);
    const key = gate.signer.publicKey.id;
    await post(gate, { key });
    expect(await status(gate, child.digest)).toBe(403);
    await post(gate, { key, undo: true });
    expect(await status(gate, child.digest)).toBe(200);
    // Its own revocation is not inherited over.
    await post(gate, { image: image_(child.digest) });
    expect(await status(gate, child.digest)).toBe(403);
  });

  it('falls when the signature of its parent is gone from the registry', async () => {
    const gate = await attacked({ policy: 'push: allow\n    delete: allow' });
    const child = contentImage('child\n');
    const index = buildIndex([child]);
    await pushImage(gate.url, 'team/app', index);
    await gate.sign('team/app', index.digest);
    expect(await status(gate, child.digest)).toBe(200);
    const tag = `${index.digest.replace(':', '-')}.sig`;
    expect((await gate.call('DELETE', `/v2/team/app/manifests/${tag}`)).status).toBe(202);
    expect(await status(gate, child.digest)).toBe(403);
  });

  it('T-54: of a signed index in one repository is not admitted in another', async () => {
    const gate = await attacked({ policy: 'push: allow' });
    const child = contentImage('child\n');
    const index = buildIndex([child]);
    await pushImage(gate.url, 'team/app', index);
    await gate.sign('team/app', index.digest);
    await pushImage(gate.url, 'team/other', child);
    expect(await status(gate, child.digest)).toBe(200);
    expect(await status(gate, child.digest, 'team/other')).toBe(403);
    await pushImage(gate.url, 'team/other', index);
    expect(await status(gate, child.digest, 'team/other')).toBe(403);
  });

  it('of an index that came round the gate is found by a bounded search among the tags', async () => {
    const gate = await attacked({ policy: 'push: allow' });
    const child = contentImage('child\n');
    const index = buildIndex([child]);
    await pushImage(gate.registry, 'team/app', index, 'multi');
    await gate.signBehind('team/app', index.digest);
    gate.asked();
    expect(await status(gate, child.digest)).toBe(200);
    // The next unknown one does not search again for a while: nobody makes the registry work by asking.
    const stranger = contentImage('stranger\n');
    await pushImage(gate.registry, 'team/app', stranger);
    gate.asked();
    for (let n = 0; n < 20; n++) expect(await status(gate, stranger.digest)).toBe(403);
    expect(gate.asked().filter((line) => line.includes('/tags/list'))).toEqual([]);
    gate.later(31_000);
    expect(await status(gate, stranger.digest)).toBe(403);
    expect(gate.asked().filter((line) => line.includes('/tags/list'))).toHaveLength(1);
  });

  it('T-69: is judged in bounded work, however many ways lead up from it', async () => {
    const gate = await attacked({ policy: 'push: allow' });
    const child = contentImage('child\n');
    await pushImage(gate.url, 'team/app', child);
    // Four levels of twelve indexes, each naming all of the level below: 12^4 ways.
    let level = [child];
    for (let depth = 0; depth < 4; depth++) {
      const below = level;
      level = Array.from({ length: 12 }, (_, n) =>
        buildIndex(below, { annotations: { n: `${depth} ${n}` } }),
      );
      for (const index of level) {
        const answer = await gate.call('PUT', `/v2/team/app/manifests/${index.digest}`, {
          headers: { 'content-type': index.mediaType },
          body: index.manifest,
        });
        expect(answer.status).toBe(201);
      }
    }
    gate.asked();
    expect(await status(gate, child.digest)).toBe(403);
    expect(gate.asked().length).toBeLessThan(200);
  });

  it('T-69: is not hidden by any number of indexes that name it, pushed before or after the signed one', async () => {
    const gate = await attacked({ policy: 'push: allow' });
    const child = contentImage('child\n');
    await pushImage(gate.url, 'team/app', child);
    const put = async (index: TestImage): Promise<void> => {
      const answer = await gate.call('PUT', `/v2/team/app/manifests/${index.digest}`, {
        headers: { 'content-type': index.mediaType },
        body: index.manifest,
      });
      expect(answer.status).toBe(201);
    };
    const junk = async (when: string): Promise<void> => {
      for (let n = 0; n < 70; n++)
        await put(buildIndex([child], { annotations: { n: `${when} ${n}` } }));
    };
    const signed = buildIndex([child]);
    await junk('before');
    await put(signed);
    expect(await status(gate, child.digest)).toBe(403);
    expect((await gate.sign('team/app', signed.digest)).status).toBe(201);
    await junk('after');
    for (let round = 0; round < 2; round++) {
      gate.later(31_000);
      gate.asked();
      expect(await status(gate, child.digest)).toBe(200);
      // The one that was admitted is looked at first, with a few beside it.
      expect(gate.asked().length).toBeLessThan(50);
      await gate.restart();
    }
  });

  it('T-69: is admitted on the shortest way up, though a longer one ends before the signed index', async () => {
    const gate = await attacked({ policy: 'push: allow' });
    const child = contentImage('child\n');
    // A long way up to `shared`, and a short one; what is signed is one above it.
    const ways = [buildIndex([child], { annotations: { way: 'long' } })];
    for (const level of ['1', '2'])
      ways.push(buildIndex(ways.slice(-1), { annotations: { level } }));
    const shared = buildIndex([child, ...ways.slice(-1)], { annotations: { way: 'short' } });
    const top = buildIndex([shared], { annotations: { top: '' } });
    await pushImage(gate.url, 'team/app', top);
    expect((await gate.sign('team/app', top.digest)).status).toBe(201);
    expect(await status(gate, child.digest)).toBe(200);
  });

  it('T-57: is neither admitted nor refused for trouble with an index, and its other parents still count', async () => {
    const gate = await attacked({ policy: 'push: allow' });
    const child = contentImage('child\n');
    const [broken, good] = [
      buildIndex([child], { annotations: { is: 'broken' } }),
      buildIndex([child], { annotations: { is: 'good' } }),
    ];
    for (const index of [broken, good]) await pushImage(gate.url, 'team/app', index);
    await gate.restart();
    gate.fault((request, response) => {
      const hit = request.url?.endsWith(`/manifests/${broken.digest}`) === true;
      if (hit) answerError(response, 500, 'UNKNOWN', 'trouble');
      return hit;
    });
    expect(await status(gate, child.digest)).toBe(503);
    expect((await gate.sign('team/app', good.digest)).status).toBe(201);
    expect(await status(gate, child.digest)).toBe(200);
  });

  it('T-57: is not refused for trouble in the search for its parents, which is repeated at once', async () => {
    const gate = await attacked({ policy: 'push: allow' });
    const child = contentImage('child\n');
    const index = buildIndex([child]);
    await pushImage(gate.registry, 'team/app', index, 'multi');
    await gate.signBehind('team/app', index.digest);
    for (const trouble of [429, 500]) {
      gate.fault((request, response) => {
        const hit =
          request.url?.endsWith('/manifests/multi') === true ||
          request.url?.endsWith(`/manifests/${index.digest}`) === true;
        if (hit) answerError(response, trouble, 'UNKNOWN', 'trouble');
        return hit;
      });
      expect([trouble, await status(gate, child.digest)]).toEqual([trouble, 503]);
    }
    gate.fault(null);
    expect(await status(gate, child.digest)).toBe(200);
  });
});
