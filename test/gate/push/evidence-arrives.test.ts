import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/lib/limits.ts';
import { unwrap } from '../../../src/lib/result.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import { MEDIA } from '../../../src/oci/media-types.ts';
import { parseReference } from '../../../src/oci/reference.ts';
import { firstManifest, signatureLayer, withLayers } from '../../../src/trust/cosign/manifest.ts';
import { makePayload } from '../../../src/trust/cosign/payload.ts';
import type { Attacked } from '../../support/attacked.ts';
import { attackedGates } from '../../support/attacked.ts';
import { call } from '../../support/http-call.ts';
import { contentImage, pushBlob, pushImage } from '../../support/image.ts';
import type { TestReferrer } from '../../support/referrer.ts';
import {
  BUNDLE,
  buildBundle,
  entryOf,
  fallbackIndex,
  pushFallback,
  pushReferrer,
} from '../../support/referrer.ts';
import type { TestSigner } from '../../support/signer.ts';
import { testSigner } from '../../support/signer.ts';
import { manifestAt, statusOf, withoutReferrersApi } from '../../support/team-app.ts';

const bundleOf = (gate: Attacked, subject: Digest, signer = gate.signer): Promise<TestReferrer> =>
  buildBundle(subject, signer, `${gate.host}/team/app`);

describe('a signature that arrives as a referrer', () => {
  const attacked = attackedGates();

  it('promotes what waits for it where the registry lists referrers', async () => {
    const gate = await attacked({ policy: 'push: hold' });
    const made = contentImage('held\n');
    await pushImage(gate.url, 'team/app', made, '1');
    expect(await statusOf(gate, '1')).toBe(403);
    const junk = await bundleOf(gate, made.digest, testSigner());
    expect((await pushReferrer(gate, 'team/app', junk)).status).toBe(201);
    expect(await statusOf(gate, '1')).toBe(403);
    const good = await bundleOf(gate, made.digest);
    expect((await pushReferrer(gate, 'team/app', good)).status).toBe(201);
    gate.asked();
    expect(await statusOf(gate, '1')).toBe(200);
    expect(gate.asked()).toEqual([`HEAD ${manifestAt('1')}`]);
  });

  it('promotes it by the fallback index where the registry lists none', async () => {
    const gate = await attacked({ policy: 'push: hold' });
    withoutReferrersApi(gate);
    const made = contentImage('held\n');
    await pushImage(gate.url, 'team/app', made, '1');
    const good = await bundleOf(gate, made.digest);
    await pushReferrer(gate, 'team/app', good);
    expect(await statusOf(gate, '1')).toBe(403);
    // As cosign 3 writes the entry: with the type of an empty config.
    const entry = { ...entryOf(good), artifactType: MEDIA.ociEmpty };
    const put = await pushFallback(gate, 'team/app', made.digest, fallbackIndex([entry]));
    expect(put.status).toBe(201);
    expect(await statusOf(gate, '1')).toBe(200);
    await gate.restart();
    expect(await statusOf(gate, made.digest)).toBe(200);
  });

  it('and goes takes the trust with it at once', async () => {
    const gate = await attacked({ policy: 'push: allow\n    delete: allow' });
    const made = contentImage('signed\n');
    await pushImage(gate.url, 'team/app', made);
    const good = await bundleOf(gate, made.digest);
    await pushReferrer(gate, 'team/app', good);
    expect(await statusOf(gate, made.digest)).toBe(200);
    expect((await gate.call('DELETE', manifestAt(good.digest))).status).toBe(202);
    expect(await statusOf(gate, made.digest)).toBe(403);
  });

  it('is kept in a fallback index that is full of junk (T-60)', { timeout: 90_000 }, async () => {
    const gate = await attacked({ policy: 'push: allow\n    delete: allow' });
    withoutReferrersApi(gate);
    const made = contentImage('signed\n');
    await pushImage(gate.url, 'team/app', made);
    const good = await bundleOf(gate, made.digest);
    await pushReferrer(gate, 'team/app', good);
    // cosign's own entries do not say what they are; junk may say it as loud as it likes.
    const cosigns = { ...entryOf(good), artifactType: MEDIA.ociEmpty };
    const loud = (one: TestReferrer) => ({ ...entryOf(one), artifactType: BUNDLE });
    await pushFallback(gate, 'team/app', made.digest, fallbackIndex([cosigns]));
    const behind = { url: gate.registry, call: call.bind(null, gate.registry) };
    const stranger = testSigner();
    const junk: TestReferrer[] = [];
    for (let n = 0; n < LIMITS.fallbackEntries; n++) {
      const one = await buildBundle(made.digest, stranger, `${gate.host}/team/junk${n}`);
      await pushReferrer(behind, 'team/app', one);
      junk.push(one);
    }
    const url = manifestAt(made.digest.replace(':', '-'));
    // Less than fit, but more than are looked at, with the good one behind them.
    const some = fallbackIndex([...junk.slice(0, LIMITS.signatures).map(loud), cosigns]);
    await gate.call('DELETE', url);
    expect((await pushFallback(gate, 'team/app', made.digest, some)).status).toBe(201);
    expect(await statusOf(gate, made.digest)).toBe(200);
    const put = await pushFallback(gate, 'team/app', made.digest, fallbackIndex(junk.map(loud)));
    expect(put.status).toBe(201);
    const { text } = await gate.call('GET', url);
    const { manifests } = JSON.parse(text) as { manifests: { digest: string }[] };
    expect(manifests[0]?.digest).toBe(good.digest);
    expect(manifests).toHaveLength(LIMITS.fallbackEntries);
    expect(await statusOf(gate, made.digest)).toBe(200);
  });
});

/** Pushes a signature manifest with one layer per signer, in that order. */
async function signAll(gate: Attacked, digest: Digest, signers: readonly TestSigner[]) {
  const { repository } = unwrap(parseReference(`${gate.host}/team/app`));
  const naming = { repository, tag: null, digest, annotations: {}, creator: null, timestamp: null };
  const payload = makePayload(naming);
  const layers = await Promise.all(
    signers.map(async (signer) => {
      const layer = signatureLayer(payload, await signer.sign(payload));
      return { layer, text: JSON.stringify(layer) };
    }),
  );
  const [first] = layers;
  if (first === undefined) throw new Error('expected a signer');
  const { bytes, config } = withLayers(firstManifest(first.layer).bytes, layers);
  await pushBlob(gate.url, 'team/app', Buffer.from(payload));
  await pushBlob(gate.url, 'team/app', Buffer.from(config.bytes));
  return gate.call('PUT', manifestAt(`${digest.replace(':', '-')}.sig`), {
    headers: { 'content-type': MEDIA.ociManifest },
    body: bytes,
  });
}

describe('a signature tag that is full of junk', () => {
  const attacked = attackedGates();
  const junk = (count: number): TestSigner[] => {
    const stranger = testSigner();
    return Array.from({ length: count }, () => stranger);
  };

  it('keeps nobody from signing (T-60)', async () => {
    const gate = await attacked({ policy: 'push: allow' });
    const made = contentImage('signed\n');
    await pushImage(gate.url, 'team/app', made);
    expect((await signAll(gate, made.digest, junk(LIMITS.signatures))).status).toBe(201);
    expect(await statusOf(gate, made.digest)).toBe(403);
    expect((await gate.sign('team/app', made.digest)).status).toBe(201);
    expect(await statusOf(gate, made.digest)).toBe(200);
    expect((await signAll(gate, made.digest, junk(LIMITS.signatures))).status).toBe(201);
    expect(await statusOf(gate, made.digest)).toBe(200);
  });

  it('of a thousand signatures keeps the one that counts, wherever it stands (T-60)', async () => {
    const gate = await attacked({ policy: 'push: allow' });
    for (const place of [0, 999]) {
      const made = contentImage(`signed ${place}\n`);
      await pushImage(gate.url, 'team/app', made);
      const signers = junk(1000).with(place, gate.signer);
      gate.asked();
      const answer = await signAll(gate, made.digest, signers);
      expect(answer.status).toBe(201);
      const blobs = gate
        .asked()
        .filter((line) => line.startsWith('GET') && line.includes('/blobs/'));
      expect(blobs.length).toBeLessThan(10);
      expect(await statusOf(gate, made.digest)).toBe(200);
      const tag = await gate.call('GET', manifestAt(`${made.digest.replace(':', '-')}.sig`));
      const { layers } = JSON.parse(tag.text) as { layers: unknown[] };
      expect(layers.length).toBeLessThanOrEqual(LIMITS.signatures);
      const own = String(answer.headers['docker-content-digest']);
      expect(await statusOf(gate, own)).toBe(200);
    }
  });
});

describe('what was pushed as a signature', () => {
  const attacked = attackedGates();

  it('is read by its digest after a restart, and its deletion is noticed by the subject', async () => {
    const gate = await attacked({ policy: 'push: allow\n    delete: allow' });
    const made = contentImage('signed\n');
    await pushImage(gate.url, 'team/app', made);
    const other = testSigner();
    const first = await signAll(gate, made.digest, [other]);
    const second = await gate.sign('team/app', made.digest);
    const [own, stale] = [second, first].map((one) => String(one.headers['docker-content-digest']));
    await gate.restart();
    expect([await statusOf(gate, own ?? ''), await statusOf(gate, stale ?? '')]).toEqual([
      200, 200,
    ]);
    expect(await statusOf(gate, made.digest)).toBe(200);
    const tag = await gate.call('HEAD', manifestAt(`${made.digest.replace(':', '-')}.sig`));
    const union = String(tag.headers['docker-content-digest']);
    expect([own, stale]).not.toContain(union);
    await gate.restart();
    expect(await statusOf(gate, made.digest)).toBe(200);
    expect((await gate.call('DELETE', manifestAt(union))).status).toBe(202);
    expect(await statusOf(gate, made.digest)).toBe(403);
  });
});

describe('as many held pushes as a repository may have', () => {
  const attacked = attackedGates();

  it(
    'keep no trusted push waiting, also of a tag that waits itself',
    { timeout: 60_000 },
    async () => {
      const gate = await attacked({ policy: 'push: hold' });
      const made = contentImage('waits\n');
      await pushImage(gate.url, 'team/app', made, '0');
      for (let n = 1; n < 256; n++) {
        const answer = await gate.call('PUT', manifestAt(`t${n}`), {
          headers: { 'content-type': made.mediaType },
          body: made.manifest,
        });
        expect(answer.status).toBe(201);
      }
      const full = await gate.call('PUT', manifestAt('t256'), {
        headers: { 'content-type': made.mediaType },
        body: made.manifest,
      });
      expect(full.status).toBe(507);
      const signed = contentImage('signed\n');
      await gate.sign('team/app', signed.digest);
      await pushImage(gate.url, 'team/app', signed, '0');
      const got = await gate.call('GET', manifestAt('0'));
      expect(got.headers['docker-content-digest']).toBe(signed.digest);
    },
  );
});
