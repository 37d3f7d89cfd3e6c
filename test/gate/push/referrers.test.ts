import { describe, expect, it } from 'vitest';
import type { Digest } from '../../../src/oci/digest.ts';
import { MEDIA } from '../../../src/oci/media-types.ts';
import type { Attacked } from '../../support/attacked.ts';
import { as, attackedGates } from '../../support/attacked.ts';
import { buildImage, contentImage, pushImage } from '../../support/image.ts';
import type { TestReferrer } from '../../support/referrer.ts';
import {
  buildBundle,
  buildReferrer,
  jwsFor,
  NOTATION,
  pushReferrer,
  statementFor,
} from '../../support/referrer.ts';
import { tarLayer } from '../../support/tar.ts';

const JWS = 'application/jose+json';
const ACCESS = `  - { repositories: ["\${registry}/team/**"], pull: [dev, ci], push: [ci] }\n`;
const read = async (
  gate: Attacked,
  reference: string,
  path = 'team/app',
  headers: Readonly<Record<string, string>> = {},
): Promise<readonly [number, number]> => {
  const target = `/v2/${path}/manifests/${reference}`;
  const get = await gate.call('GET', target, { headers });
  return [get.status, (await gate.call('HEAD', target, { headers })).status];
};
/** True where GET is forbidden and HEAD no better (404 for whoever may push). */
const refusedBoth = async (gate: Attacked, reference: string): Promise<boolean> => {
  const [get, head] = await read(gate, reference);
  return get === 403 && (head === 403 || head === 404);
};
const signatureOf = (subject: Digest): TestReferrer =>
  buildReferrer(subject, JWS, jwsFor(subject), { artifactType: NOTATION });

describe('a referrer', () => {
  const attacked = attackedGates();

  it('that is a signature or attestation is read by its digest through an enforcing gate', async () => {
    const gate = await attacked();
    const made = contentImage('unsigned\n');
    await pushImage(gate.url, 'team/app', made);
    const referrers = [
      await buildBundle(made.digest, gate.signer),
      signatureOf(made.digest),
      buildReferrer(made.digest, 'application/vnd.in-toto+json', statementFor(made.digest)),
    ];
    for (const referrer of referrers) {
      const pushed = await pushReferrer(gate, 'team/app', referrer);
      expect([pushed.status, pushed.headers['oci-subject']]).toEqual([201, made.digest]);
      const answer = await gate.call('GET', `/v2/team/app/manifests/${referrer.digest}`);
      expect([answer.status, answer.body.equals(referrer.manifest)]).toEqual([200, true]);
    }
    // Its subject is no more trusted for it than before: nobody whom the policy asks for signed.
    expect(await read(gate, signatureOf(made.digest).digest)).toEqual([200, 200]);
  });

  it('is recognised when it is read first, whoever brought it and whatever was forgotten', async () => {
    const gate = await attacked();
    const made = contentImage('signed\n');
    await pushImage(gate.registry, 'team/app', made);
    const behind = signatureOf(made.digest);
    await pushReferrer({ url: gate.registry, call: callAt(gate.registry) }, 'team/app', behind);
    expect(await read(gate, behind.digest)).toEqual([200, 200]);
    await gate.restart();
    gate.asked();
    expect(await read(gate, behind.digest)).toEqual([200, 200]);
    // Known from before the restart: neither its blobs nor the repository's tags were looked at again.
    expect(gate.asked().filter((line) => /blobs|tags/.test(line))).toEqual([]);
  });

  it('admits itself only: not its subject, nor what it names, nor another repository', async () => {
    const gate = await attacked();
    const evil = contentImage('evil\n');
    await pushImage(gate.url, 'team/app', evil);
    const referrer = signatureOf(evil.digest);
    await pushReferrer(gate, 'team/app', referrer);
    const { layers } = JSON.parse(referrer.manifest.toString()) as { layers: { digest: string }[] };
    expect((await read(gate, evil.digest))[0]).toBe(403);
    expect((await read(gate, layers[0]?.digest ?? ''))[0]).not.toBe(200);
    await pushImage(gate.url, 'team/other', contentImage('other\n'));
    expect((await read(gate, referrer.digest, 'team/other'))[0]).not.toBe(200);
  });

  it('gives no name to anything: under a tag it is judged as an image (T-10)', async () => {
    const gate = await attacked();
    const referrer = signatureOf(contentImage('subject\n').digest);
    await pushReferrer(gate, 'team/app', referrer);
    const tagged = await gate.call('PUT', '/v2/team/app/manifests/latest', {
      headers: { 'content-type': MEDIA.ociManifest },
      body: referrer.manifest,
    });
    expect(tagged.status).toBe(403);
  });

  it('that could be run by an engine is refused as any image is (T-10)', async () => {
    const gate = await attacked();
    const subject = contentImage('subject\n');
    await pushImage(gate.url, 'team/app', subject);
    const layer = { type: MEDIA.ociLayer, bytes: Buffer.from(tarLayer({ evil: 'evil\n' })) };
    const runnable = [
      buildImage({ subject, artifactType: NOTATION }),
      buildImage({ subject, artifactType: NOTATION, configMediaType: NOTATION }),
      buildImage({ subject, configMediaType: MEDIA.ociEmpty, config: Buffer.from('{}') }),
    ];
    for (const one of runnable) {
      await pushImage(gate.url, 'team/app', one);
      expect(await refusedBoth(gate, one.digest)).toBe(true);
    }
    const shaped = [
      buildReferrer(subject.digest, JWS, layer.bytes, { artifactType: NOTATION }),
      buildReferrer(subject.digest, JWS, layer.bytes, { artifactType: NOTATION, layers: [layer] }),
      buildReferrer(subject.digest, 'application/vnd.example.sbom', layer.bytes),
      buildReferrer(subject.digest, 'application/wasm', layer.bytes),
    ];
    for (const one of shaped) {
      expect((await pushReferrer(gate, 'team/app', one)).status).toBe(201);
      expect(await refusedBoth(gate, one.digest)).toBe(true);
    }
  });

  it('that turns out to be none is not read again for everybody who asks (T-59)', async () => {
    const gate = await attacked();
    const subject = buildImage().digest;
    const none = buildReferrer(subject, 'application/spdx+json', Buffer.from('{"no":"sbom"}'));
    expect((await pushReferrer(gate, 'team/app', none)).status).toBe(201);
    gate.asked();
    for (let round = 0; round < 3; round++) expect(await refusedBoth(gate, none.digest)).toBe(true);
    expect(gate.asked().filter((line) => line.includes('/blobs/'))).toEqual([]);
  });

  it('that is not known here is read once it is trusted, as an image is', async () => {
    const gate = await attacked();
    const chart = buildReferrer(
      contentImage('a\n').digest,
      'application/vnd.example',
      Buffer.from('x'),
    );
    await pushReferrer(gate, 'team/app', chart);
    expect((await read(gate, chart.digest))[0]).toBe(403);
    await gate.sign('team/app', chart.digest);
    expect(await read(gate, chart.digest)).toEqual([200, 200]);
  });

  it('is not read without the right to pull, where no policy governs, or when it is revoked', async () => {
    const gate = await attacked({
      access: `${ACCESS}  - { repositories: ["\${registry}/free/**"], pull: [ci], push: [ci] }\n  - { repositories: ["**"], admin: [boss] }\n`,
    });
    const referrer = signatureOf(contentImage('subject\n').digest);
    for (const path of ['team/app', 'free/app'])
      expect((await pushReferrer(gate, path, referrer, as('ci'))).status).toBe(201);
    expect((await read(gate, referrer.digest, 'team/app', as('dev')))[0]).toBe(200);
    expect((await read(gate, referrer.digest, 'team/app'))[0]).toBe(401);
    expect((await read(gate, referrer.digest, 'free/app', as('ci')))[0]).toBe(403);
    const revoked = await gate.call('POST', '/api/v1/revocations', {
      headers: { ...as('boss'), 'content-type': 'application/json' },
      body: JSON.stringify({ image: `${gate.host}/team/app@${referrer.digest}` }),
    });
    expect(revoked.status).toBeLessThan(300);
    expect((await read(gate, referrer.digest, 'team/app', as('dev')))[0]).toBe(403);
  });

  it('whose content cannot be read now is not served, and is read later', async () => {
    const gate = await attacked();
    const referrer = signatureOf(contentImage('subject\n').digest);
    gate.fault((request, response) => {
      if (request.method !== 'GET' || request.url?.includes('/blobs/sha256') !== true) return false;
      response.writeHead(500).end();
      return true;
    });
    expect((await pushReferrer(gate, 'team/app', referrer)).status).toBe(201);
    expect((await read(gate, referrer.digest))[0]).toBe(403);
    gate.fault(null);
    expect((await read(gate, referrer.digest))[0]).toBe(200);
  });
});

function callAt(url: string): Attacked['call'] {
  return async (method, target, options) => {
    const { call } = await import('../../support/http-call.ts');
    return call(url, method, target, options);
  };
}
