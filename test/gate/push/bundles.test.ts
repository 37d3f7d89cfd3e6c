import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { digestOf } from '../../../src/oci/digest.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import type { Descriptor } from '../../../src/oci/manifest.ts';
import { MEDIA } from '../../../src/oci/media-types.ts';
import { unwrap } from '../../../src/lib/result.ts';
import { parseRepository } from '../../../src/oci/reference.ts';
import { signatureLayer } from '../../../src/trust/cosign/manifest.ts';
import { makePayload } from '../../../src/trust/cosign/payload.ts';
import type { Attacked } from '../../support/attacked.ts';
import { attackedGates } from '../../support/attacked.ts';
import {
  BUNDLE_TYPE,
  bundleManifest,
  bundleOf,
  indexOf,
  statementFor,
} from '../../support/bundle.ts';
import { call } from '../../support/http-call.ts';
import type { TestImage } from '../../support/image.ts';
import { contentImage, pushBlob, pushImage } from '../../support/image.ts';
import { createSite } from '../../support/countersign.ts';
import { testSigner } from '../../support/signer.ts';

const get = (gate: Attacked, reference: string) =>
  gate.call('GET', `/v2/team/app/manifests/${reference}`);
const NAME = 'dev.countersign.reference';

/** Gives an image a bundle of the gate's signer, that names its repository, behind the gate's back. */
async function bundleBehind(gate: Attacked, digest: Digest, signer = gate.signer): Promise<Digest> {
  const annotations = { [NAME]: `${gate.host}/team/app` };
  const blob = await bundleOf(statementFor(digest, {}, { annotations }), signer);
  const made = bundleManifest(blob, digest);
  await pushBlob(gate.registry, 'team/app', Buffer.from('{}'));
  await pushBlob(gate.registry, 'team/app', blob);
  const put = await call(gate.registry, 'PUT', `/v2/team/app/manifests/${made.digest}`, {
    headers: { 'content-type': MEDIA.ociManifest },
    body: made.manifest,
  });
  expect(put.status).toBe(201);
  return made.digest;
}

function sendIndex(response: ServerResponse, entries: readonly Descriptor[], next?: string): void {
  const link = next === undefined ? {} : { link: `<${next}>; rel="next"` };
  response.writeHead(200, { 'content-type': MEDIA.ociIndex, ...link });
  response.end(indexOf(entries));
}

/** Entries that name manifests of other things, that many and always the same. */
const junk = (count: number, from = 0): Descriptor[] =>
  Array.from({ length: count }, (_, n) => ({
    mediaType: MEDIA.ociManifest,
    digest: digestOf(Buffer.from(`junk ${from + n}`)),
    size: 500,
    artifactType: BUNDLE_TYPE,
  }));

describe('bundles at the gate', () => {
  const attacked = attackedGates();

  async function stocked(): Promise<{ gate: Attacked; made: TestImage }> {
    const gate = await attacked({ policy: 'push: allow' });
    const made = contentImage('made\n');
    await pushImage(gate.registry, 'team/app', made, '1');
    return { gate, made };
  }

  it('admit the image that they sign, and only that one', async () => {
    const { gate, made } = await stocked();
    expect((await get(gate, made.digest)).status).toBe(403);
    const other = contentImage('other\n');
    await pushImage(gate.registry, 'team/app', other, '2');
    const bundle = await bundleBehind(gate, made.digest);
    gate.later(3001);
    expect((await get(gate, '1')).body.equals(made.manifest)).toBe(true);
    expect((await get(gate, '2')).status).toBe(403);
    // The other image's fallback index names the good bundle, whose subject it is not (T-07).
    const entries = [{ ...junk(1)[0], digest: bundle }] as Descriptor[];
    const put = await call(
      gate.registry,
      'PUT',
      `/v2/team/app/manifests/${other.digest.replace(':', '-')}`,
      { headers: { 'content-type': MEDIA.ociIndex }, body: indexOf(entries) },
    );
    expect(put.status).toBe(201);
    gate.later(6002);
    expect(await get(gate, '2')).toMatchObject({ status: 403, code: 'DENIED' });
  });

  it('cost three questions besides that for the tag, where there are none', async () => {
    const { gate, made } = await stocked();
    gate.asked();
    expect((await get(gate, '1')).status).toBe(403);
    const name = made.digest.replace(':', '-');
    expect(gate.asked().toSorted()).toEqual([
      `GET /v2/team/app/manifests/${name}`,
      `GET /v2/team/app/manifests/${name}.sig`,
      `GET /v2/team/app/referrers/${made.digest}`,
      'HEAD /v2/team/app/manifests/1',
    ]);
  });

  it.each<[string, (url: string, page: number) => string]>([
    ['a thousand pages of', (url, page) => `${url.split('?')[0]}?page=${page + 1}`],
    ['a page that leads to itself in', (url) => url],
    [
      'two pages that lead to each other in',
      (url, page) => `${url.split('?')[0]}?page=${page % 2}`,
    ],
  ])(
    '%s referrers end in the same refusal every time, and hide no classic signature (T-60)',
    async (_, next) => {
      const { gate, made } = await stocked();
      let pages = 0;
      gate.fault((request, response) => {
        const url = request.url ?? '';
        if (!url.includes('/referrers/')) return false;
        pages++;
        const page = Number(/page=([0-9]+)/.exec(url)?.[1] ?? '0');
        sendIndex(response, junk(1, page), page < 1000 ? next(url, page) : undefined);
        return true;
      });
      const messages = new Set<string>();
      for (let again = 0; again < 3; again++) {
        pages = 0;
        gate.asked();
        const refused = await get(gate, made.digest);
        expect(refused).toMatchObject({ status: 403, code: 'DENIED' });
        messages.add(refused.text.replace(/; record [0-9]+/, ''));
        expect(pages).toBeLessThanOrEqual(8);
        expect(gate.asked().length).toBeLessThan(30);
        gate.later(3001);
      }
      expect(messages.size).toBe(1);
      expect((await gate.signBehind('team/app', made.digest)).status).toBe(201);
      gate.later(3001);
      expect((await get(gate, made.digest)).status).toBe(200);
    },
  );

  it('are found among a thousand entries within the first 64, and bounded beyond (T-60)', async () => {
    const { gate, made } = await stocked();
    const digest = await bundleBehind(gate, made.digest);
    for (const [before, status] of [
      [63, 200],
      [64, 403],
    ] as const) {
      const good: Descriptor = { ...junk(1)[0], mediaType: MEDIA.ociManifest, size: 500, digest };
      const entries = [
        ...junk(before),
        { ...good, artifactType: BUNDLE_TYPE },
        ...junk(900, before),
      ];
      gate.fault((request, response) => {
        const listed = request.url?.includes('/referrers/') === true;
        if (listed) sendIndex(response, entries);
        return listed;
      });
      gate.later(60_001);
      gate.asked();
      expect([before, (await get(gate, made.digest)).status]).toEqual([before, status]);
      expect(gate.asked().length).toBeLessThan(64 + 10);
    }
  });

  it.each([
    [63, 200],
    [64, 403],
  ])(
    'beside them, a classic signature after %s of ten thousand gives %s (T-60)',
    async (before, status) => {
      const { gate, made } = await stocked();
      const repository = unwrap(parseRepository(`${gate.host}/team/app`));
      const claim = { repository, tag: null, digest: made.digest, annotations: {} };
      const payload = makePayload({ ...claim, creator: null, timestamp: null });
      await pushBlob(gate.registry, 'team/app', Buffer.from(payload));
      const bad = signatureLayer(payload, await testSigner().sign(payload));
      const good = signatureLayer(payload, await gate.signer.sign(payload));
      const many = (count: number): Descriptor[] => Array.from({ length: count }, () => bad);
      const body = Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: MEDIA.ociManifest,
          config: { ...good, mediaType: MEDIA.ociConfig },
          layers: [...many(before), good, ...many(9999 - before)],
        }),
      );
      gate.fault((request, response) => {
        if (request.url?.endsWith('.sig') !== true) return false;
        response.writeHead(200, { 'content-type': MEDIA.ociManifest });
        response.end(body);
        return true;
      });
      for (let again = 0; again < 2; again++) {
        gate.asked();
        expect((await get(gate, made.digest)).status).toBe(status);
        expect(gate.asked().length).toBeLessThan(80);
        gate.later(60_001);
      }
    },
  );

  const broken = [
    (_: IncomingMessage, response: ServerResponse) => response.destroy(),
    (_: IncomingMessage, response: ServerResponse) => response.writeHead(500).end(),
    (_: IncomingMessage, response: ServerResponse) => response.writeHead(429).end(),
    (_: IncomingMessage, response: ServerResponse) => {
      // Half an answer.
      response.writeHead(200, { 'content-type': MEDIA.ociIndex, 'content-length': 1000 });
      response.write('{"schemaVersion":2,');
      setTimeout(() => response.destroy(), 20);
    },
  ];

  it('are never believed absent when any question for them fails, by gate and command line (T-13, T-39)', async () => {
    const { gate, made } = await stocked();
    await bundleBehind(gate, made.digest);
    const site = createSite(join(gate.folder, 'site'));
    const name = `${gate.host}/team/app@${made.digest}`;
    gate.asked();
    expect((await get(gate, made.digest)).status).toBe(200);
    // All that is asked besides the image itself; it is the same every time.
    const questions = gate.asked().filter((line) => !line.endsWith(`manifests/${made.digest}`));
    expect(questions.length).toBe(5);
    for (const [at, question] of questions.entries()) {
      // Lists that might have more in them do not matter where what was read is enough.
      const enough = question.endsWith('.sig') || /sha256-[0-9a-f]{64}$/.test(question);
      for (const fail of broken) {
        gate.later(60_001);
        gate.fault((request, response) => {
          const hit = `${request.method} ${request.url}` === question;
          if (hit) fail(request, response);
          return hit;
        });
        const { status, headers } = await get(gate, made.digest);
        expect([at, question, status]).toEqual([at, question, enough ? 200 : 503]);
        if (!enough) expect(Number(headers['retry-after'])).toBeGreaterThan(0);
      }
    }
    gate.fault(null);
    expect((await get(gate, made.digest)).status).toBe(200);
    const [blob = ''] = questions.filter((question) => question.includes('/blobs/'));
    gate.later(60_001);
    gate.fault((request, response) => {
      const hit = `${request.method} ${request.url}` === blob;
      if (hit) response.writeHead(500).end();
      return hit;
    });
    const ran = await site.cli(['verify', name, '--offline', '--policies', gate.policies]);
    expect(ran).toMatchObject({ code: 3 });
  }, 60_000);
});
