import { describe, expect, it } from 'vitest';
import type { Digest } from '../../../src/oci/digest.ts';
import { MEDIA } from '../../../src/oci/media-types.ts';
import { as, attackedGates } from '../../support/attacked.ts';
import { buildImage, buildIndex, contentImage, pushImage } from '../../support/image.ts';

const sigTag = (digest: Digest, kind = 'sig'): string => `${digest.replace(':', '-')}.${kind}`;
const ACCESS = `  - { repositories: ["\${registry}/team/**"], pull: [dev, ci], push: [ci] }\n`;

describe('a signature artifact', () => {
  const attacked = attackedGates();

  it('T-10: under its tag nothing else can be pushed: no image, no index, and nothing is stored', async () => {
    const gate = await attacked({ policy: 'push: allow' });
    const subject = contentImage('subject\n').digest;
    const runnable = contentImage('runnable\n');
    for (const made of [runnable, buildIndex([runnable]), buildImage({ family: 'docker' })]) {
      for (const kind of ['sig', 'att']) {
        const push = pushImage(gate.url, 'team/app', made, sigTag(subject, kind));
        await expect(push).rejects.toThrow(/answered 400: .*MANIFEST_INVALID/);
        const there = await gate.call('GET', `/v2/team/app/manifests/${sigTag(subject, kind)}`);
        expect(there.status).toBe(404);
      }
    }
  });

  it('T-10: that the registry has under such a tag and is none is not served, and neither is what it names', async () => {
    const gate = await attacked({ policy: 'push: allow' });
    const subject = contentImage('subject\n').digest;
    const runnable = contentImage('runnable\n');
    await pushImage(gate.registry, 'team/app', runnable, sigTag(subject));
    for (const method of ['GET', 'HEAD']) {
      for (const reference of [sigTag(subject), runnable.digest]) {
        const answer = await gate.call(method, `/v2/team/app/manifests/${reference}`);
        expect([method, reference, answer.status]).toEqual([method, reference, 403]);
      }
    }
  });

  it('is served by its tag and, once it was seen, by its digest; it admits itself only', async () => {
    const gate = await attacked({ policy: 'push: allow' });
    const made = contentImage('signed\n');
    await pushImage(gate.url, 'team/app', made, '1');
    const pushed = await gate.sign('team/app', made.digest);
    expect(pushed.status).toBe(201);
    await gate.restart();
    const get = (reference: string, path = 'team/app') =>
      gate.call('GET', `/v2/${path}/manifests/${reference}`);
    const byTag = await get(sigTag(made.digest));
    expect(byTag).toMatchObject({ status: 200 });
    expect(byTag.headers['content-type']).toBe(MEDIA.ociManifest);
    const digest = String(byTag.headers['docker-content-digest']);
    const byDigest = await get(digest);
    expect([byDigest.status, byDigest.body.equals(byTag.body)]).toEqual([200, true]);
    expect((await gate.call('HEAD', `/v2/team/app/manifests/${digest}`)).status).toBe(200);
    // Another repository has not seen it, and a tag of an image is no signature's.
    await pushImage(gate.url, 'team/other', contentImage('unsigned\n'), '1');
    expect((await get(digest, 'team/other')).status).not.toBe(200);
    const { layers } = JSON.parse(byTag.text) as { layers: { digest: string }[] };
    expect((await get(layers[0]?.digest ?? '')).status).not.toBe(200);
    const retagged = await gate.call('PUT', '/v2/team/app/manifests/latest', {
      headers: { 'content-type': MEDIA.ociManifest },
      body: byTag.body,
    });
    expect(retagged.status).toBe(201);
    expect((await get('latest')).status).toBe(403);
  });

  it('is not read where no policy governs, by its tag as little as by its digest', async () => {
    const gate = await attacked();
    const made = buildImage();
    await pushImage(gate.registry, 'elsewhere/app', made);
    const { headers } = await gate.signBehind('elsewhere/app', made.digest);
    const tag = `${made.digest.replace(':', '-')}.sig`;
    for (const reference of [tag, String(headers['docker-content-digest'])]) {
      const answer = await gate.call('GET', `/v2/elsewhere/app/manifests/${reference}`);
      expect([reference, answer.status]).toEqual([reference, 403]);
      expect(answer.text).toContain('no policy governs it');
    }
  });

  it('that is revoked by its digest is not read by it', async () => {
    const gate = await attacked({ policy: 'push: allow' });
    const made = contentImage('signed\n');
    await pushImage(gate.url, 'team/app', made, '1');
    await gate.sign('team/app', made.digest);
    const digest = String(
      (await gate.call('GET', `/v2/team/app/manifests/${sigTag(made.digest)}`)).headers[
        'docker-content-digest'
      ],
    );
    await gate.call('POST', '/api/v1/revocations', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ image: `${gate.host}/team/app@${digest}` }),
    });
    expect((await gate.call('GET', `/v2/team/app/manifests/${digest}`)).status).toBe(403);
  });

  it('needs the right to push, and to pull', async () => {
    const gate = await attacked({ policy: 'push: allow', access: ACCESS });
    const made = contentImage('signed\n');
    await pushImage(gate.url, 'team/app', made, '1', as('ci'));
    await expect(gate.sign('team/app', made.digest, as('dev'))).rejects.toThrow('answered 403');
    expect((await gate.sign('team/app', made.digest, as('ci'))).status).toBe(201);
    const read = async (headers: Record<string, string>): Promise<number> =>
      (await gate.call('GET', `/v2/team/app/manifests/${sigTag(made.digest)}`, { headers })).status;
    expect([await read(as('dev')), await read(as('boss')), await read({})]).toEqual([
      200, 403, 401,
    ]);
  });
});
