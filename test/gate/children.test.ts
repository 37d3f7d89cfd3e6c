import { describe, expect, it } from 'vitest';
import type { Digest } from '../../src/oci/digest.ts';
import type { Attacked } from '../support/attacked.ts';
import { attackedGates } from '../support/attacked.ts';
import { buildImage, buildIndex, pushImage } from '../support/image.ts';
import { tarLayer } from '../support/tar.ts';

const image = (content: string) => buildImage({ layers: [tarLayer({ content })] });
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
    const child = image('child\n');
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
    const child = image('child\n');
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
    const child = image('child\n');
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
    const child = image('child\n');
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
    const child = image('child\n');
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
    const child = image('child\n');
    const index = buildIndex([child]);
    await pushImage(gate.registry, 'team/app', index, 'multi');
    await gate.sign('team/app', index.digest);
    gate.asked();
    expect(await status(gate, child.digest)).toBe(200);
    // The next unknown one does not search again for a while: nobody makes the registry work by asking.
    const stranger = image('stranger\n');
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
    const child = image('child\n');
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
});
