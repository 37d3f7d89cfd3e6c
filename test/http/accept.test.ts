import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { accepts, knows } from '../../src/http/accept.ts';
import { MEDIA } from '../../src/oci/media-types.ts';
import { attackedGates } from '../support/attacked.ts';
import { buildImage, buildIndex, pushImage } from '../support/image.ts';

const ALL = [MEDIA.ociManifest, MEDIA.ociIndex, MEDIA.dockerManifest, MEDIA.dockerList];
const V1 = 'application/vnd.docker.distribution.manifest.v1+json';
const PRETTY = 'application/vnd.docker.distribution.manifest.v1+prettyjws';

describe('an Accept header', () => {
  // As recorded from the clients themselves.
  it.each([
    [
      'docker',
      [
        'application/json',
        MEDIA.ociManifest,
        MEDIA.dockerManifest,
        MEDIA.dockerList,
        MEDIA.ociIndex,
        PRETTY,
      ],
    ],
    [
      'podman, skopeo and buildah',
      [MEDIA.ociManifest, MEDIA.dockerManifest, PRETTY, V1, MEDIA.dockerList, MEDIA.ociIndex],
    ],
    [
      'containerd',
      [MEDIA.dockerManifest, MEDIA.dockerList, MEDIA.ociManifest, MEDIA.ociIndex, '*/*'],
    ],
    ['curl', ['*/*']],
  ])('of %s takes every type of manifest', (_, ranges) => {
    for (const type of ALL) expect(accepts(ranges.join(', '), type)).toBe(true);
  });

  it('of containerd for one descriptor takes that type and every other', () => {
    expect(accepts(`${MEDIA.ociIndex}, */*`, MEDIA.ociManifest)).toBe(true);
  });

  it.each([
    [undefined, true],
    ['', true],
    ['  ', true],
    [MEDIA.ociIndex, true],
    [`${MEDIA.ociIndex};q=0.1`, true],
    [MEDIA.ociIndex.toUpperCase(), true],
    [`text/html,\t${MEDIA.ociIndex} ; charset=utf-8`, true],
    ['application/*', true],
    ['text/html, */*;q=0.8', true],
    ['text/html', false],
    ['application/json', false],
    ['text/*', false],
    [MEDIA.ociManifest, false],
    [`${MEDIA.ociIndex};q=0`, false],
    [`*/*, ${MEDIA.ociIndex};q=0.000`, false],
    [`${MEDIA.ociIndex};q=0, */*`, false],
    [`application/*;q=0, */*`, false],
    [`application/*;q=0, ${MEDIA.ociIndex}`, true],
    [', ,;', false],
  ])('%s takes an index: %s', (header, taken) => {
    expect(accepts(header, MEDIA.ociIndex)).toBe(taken);
  });

  it('that is anything is an answer, and takes what it names exactly', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(typeof accepts(text, MEDIA.ociIndex)).toBe('boolean');
        expect(accepts(`${text.replaceAll(/[,;]/g, '')},${MEDIA.ociIndex}`, MEDIA.ociIndex)).toBe(
          true,
        );
      }),
    );
  });
});

describe('an If-None-Match header', () => {
  it.each([
    [undefined, false],
    ['"sha256:a"', true],
    ['W/"sha256:a"', true],
    ['"x", "sha256:a"', true],
    ['"sha256:b"', false],
    ['sha256:a', false],
    ['*', false],
  ])('%s names the digest: %s', (header, known) => {
    expect(knows(header, 'sha256:a')).toBe(known);
  });
});

describe('a pull with an Accept header', () => {
  const attacked = attackedGates();

  async function stocked() {
    const gate = await attacked();
    const index = buildIndex([buildImage()]);
    await pushImage(gate.registry, 'team/app', index, '1');
    expect((await gate.signBehind('team/app', index.digest)).status).toBe(201);
    const pull = (method: string, headers: Record<string, string>, reference = '1') =>
      gate.call(method, `/v2/team/app/manifests/${reference}`, { headers });
    return { gate, index, pull };
  }

  it('that does not take the type is 404 and names the type: never another digest of the tag', async () => {
    const { gate, index, pull } = await stocked();
    for (const accept of [MEDIA.ociManifest, MEDIA.dockerManifest, PRETTY, 'application/json']) {
      for (const reference of ['1', index.digest]) {
        const answer = await pull('GET', { accept }, reference);
        expect([accept, answer.status, answer.code]).toEqual([accept, 404, 'MANIFEST_UNKNOWN']);
        expect(answer.text).toContain(MEDIA.ociIndex);
        expect((await pull('HEAD', { accept }, reference)).status).toBe(404);
      }
    }
    expect((await pull('GET', { accept: MEDIA.ociIndex })).body).toEqual(index.manifest);
    expect((await pull('GET', {})).body).toEqual(index.manifest);
    expect(gate.asked().some((line) => line.includes('v1+'))).toBe(false);
  });

  it('T-36: changes nothing of a refusal, and neither does If-None-Match', async () => {
    const { gate, pull } = await stocked();
    const unsigned = buildImage({ annotations: { n: '2' } });
    await pushImage(gate.registry, 'team/app', unsigned, '2');
    for (const headers of [
      { accept: PRETTY },
      { accept: 'text/html' },
      { 'if-none-match': `"${unsigned.digest}"` },
      { 'if-none-match': '*' },
    ]) {
      for (const reference of ['2', unsigned.digest]) {
        const answer = await pull('GET', headers, reference);
        expect([answer.status, answer.code]).toEqual([403, 'DENIED']);
        expect((await pull('HEAD', headers, reference)).status).toBe(403);
      }
    }
  });

  it('with If-None-Match of the very digest is 304 after the decision, and after it alone', async () => {
    const { gate, index, pull } = await stocked();
    const headers = { 'if-none-match': `"${index.digest}"` };
    for (const method of ['GET', 'HEAD']) {
      const answer = await pull(method, headers);
      expect([answer.status, answer.body.length, answer.headers['docker-content-digest']]).toEqual([
        304,
        0,
        index.digest,
      ]);
    }
    expect((await pull('GET', { 'if-none-match': '"sha256:other"' })).status).toBe(200);
    const revoked = await gate.call('POST', '/api/v1/revocations', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ image: `${gate.host}/team/app@${index.digest}` }),
    });
    expect(revoked.status).toBe(200);
    expect((await pull('GET', headers)).status).toBe(403);
  });
});
