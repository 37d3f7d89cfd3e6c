import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/lib/limits.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import { MEDIA } from '../../../src/oci/media-types.ts';
import { fallbackTag } from '../../../src/oci/referrers.ts';
import type { Attacked } from '../../support/attacked.ts';
import { as, attackedGates } from '../../support/attacked.ts';
import { call } from '../../support/http-call.ts';
import type { TestImage } from '../../support/image.ts';
import { buildImage, buildIndex, contentImage, pushImage } from '../../support/image.ts';
import type { TestReferrer } from '../../support/referrer.ts';
import {
  buildReferrer,
  entryOf,
  fallbackIndex,
  pushFallback,
  pushReferrer,
  statementFor,
} from '../../support/referrer.ts';
import { tarLayer } from '../../support/tar.ts';
import { manifestAt } from '../../support/team-app.ts';

const SUBJECT = digestOf(Buffer.from('a subject'));
const TAG = fallbackTag(SUBJECT);
const IN_TOTO = 'application/vnd.in-toto+json';
const ACCESS = `  - { repositories: ["\${registry}/team/**"], pull: [dev, ci], push: [ci] }\n`;

/** A referrer that differs from others of the same subject by its name. */
const referrerOf = (name: string, subject: Digest = SUBJECT): TestReferrer =>
  buildReferrer(subject, IN_TOTO, statementFor(subject), { manifest: { annotations: { name } } });

async function pushed(gate: Attacked, name: string, headers = {}): Promise<TestReferrer> {
  const referrer = referrerOf(name);
  expect((await pushReferrer(gate, 'team/app', referrer, headers)).status).toBe(201);
  return referrer;
}

/** The digests under the tag, as a client reads them. */
async function listed(gate: Attacked, tag = TAG): Promise<readonly string[]> {
  const answer = await gate.call('GET', manifestAt(tag));
  expect(answer.status).toBe(200);
  const { manifests } = JSON.parse(answer.text) as { manifests: { digest: string }[] };
  return manifests.map((one) => one.digest);
}

const indexOf = (...referrers: readonly Parameters<typeof entryOf>[0][]): Buffer =>
  fallbackIndex(referrers.map(entryOf));
const digestsOf = (...referrers: readonly { readonly digest: Digest }[]): readonly string[] =>
  referrers.map((one) => one.digest);

describe('a fallback index', () => {
  const attacked = attackedGates();

  it('may be pushed unsigned by whoever may push, and is read by tag and digest', async () => {
    const gate = await attacked({ access: ACCESS });
    const a = await pushed(gate, 'a', as('ci'));
    const index = indexOf(a);
    expect((await pushFallback(gate, 'team/app', SUBJECT, index, as('dev'))).status).toBe(403);
    const put = await pushFallback(gate, 'team/app', SUBJECT, index, as('ci'));
    expect([put.status, put.headers['docker-content-digest']]).toEqual([201, digestOf(index)]);
    for (let round = 0; round < 2; round++) {
      for (const reference of [TAG, digestOf(index)]) {
        const got = await gate.call('GET', manifestAt(reference), { headers: as('dev') });
        expect([got.status, got.body.equals(index)]).toEqual([200, true]);
      }
      await gate.restart();
    }
  });

  it('is a small list of manifests that name the subject, and nothing else (T-10)', async () => {
    const gate = await attacked({ policy: 'push: allow' });
    const a = await pushed(gate, 'a');
    const evil = contentImage('evil\n');
    const elsewhere = referrerOf('elsewhere', digestOf(Buffer.from('another subject')));
    await pushImage(gate.url, 'team/app', evil);
    await pushReferrer(gate, 'team/app', elsewhere);
    const put = async (bytes: Buffer, type: string = MEDIA.ociIndex) => {
      const headers = { 'content-type': type };
      return (await gate.call('PUT', manifestAt(TAG), { headers, body: bytes })).status;
    };
    expect(await put(evil.manifest, evil.mediaType)).toBe(400);
    expect(await put(buildIndex([evil], { family: 'docker' }).manifest, MEDIA.dockerList)).toBe(
      400,
    );
    expect(await put(buildIndex([evil]).manifest)).toBe(400);
    expect(await put(indexOf(a, evil))).toBe(400);
    expect(await put(indexOf(a, elsewhere))).toBe(400);
    expect(await put(fallbackIndex([{ ...entryOf(a), urls: ['https://evil.example/'] }]))).toBe(
      400,
    );
    expect(await put(fallbackIndex([{ ...entryOf(a), mediaType: MEDIA.octets }]))).toBe(400);
    expect((await gate.call('GET', manifestAt(TAG))).status).toBe(404);
    expect(await put(indexOf(a))).toBe(201);
  });

  it('that carries an evil image in `data` is neither taken nor served: containerd 2 would run it unasked (T-10)', async () => {
    const gate = await attacked();
    const evil = buildImage({
      layers: [tarLayer({ evil: 'evil\n' })],
      subject: { digest: SUBJECT, manifest: Buffer.alloc(5), mediaType: MEDIA.ociManifest },
    });
    await pushImage(gate.url, 'team/app', evil);
    const carrying = (name: string): Buffer =>
      fallbackIndex([{ ...entryOf(evil), [name]: evil.manifest.toString('base64') }]);
    for (const name of ['data', 'Data']) {
      const put = await pushFallback(gate, 'team/app', SUBJECT, carrying(name));
      expect(put.status).toBe(400);
    }
    const headers = { 'content-type': MEDIA.ociIndex };
    const body = carrying('data');
    await call(gate.registry, 'PUT', manifestAt(TAG), { headers, body });
    for (const reference of [TAG, digestOf(body)])
      expect((await gate.call('GET', manifestAt(reference))).status).toBe(403);
  });

  it('that names an evil image leads nowhere, not even when somebody trusted signs it (T-60)', async () => {
    const gate = await attacked();
    const evil = buildImage({
      layers: [tarLayer({ evil: 'evil\n' })],
      subject: { digest: SUBJECT, manifest: Buffer.alloc(5), mediaType: MEDIA.ociManifest },
    });
    await pushImage(gate.url, 'team/app', evil);
    const index = indexOf(evil);
    expect((await pushFallback(gate, 'team/app', SUBJECT, index)).status).toBe(201);
    const refused = async (): Promise<void> => {
      expect((await gate.call('GET', manifestAt(evil.digest))).status).toBe(403);
      expect((await gate.call('HEAD', manifestAt(evil.digest))).status).not.toBe(200);
    };
    await refused();
    await gate.sign('team/app', digestOf(index));
    await refused();
    await gate.restart();
    await refused();
  });

  it('that was put round the gate is no parent either when tags are searched for one', async () => {
    const gate = await attacked();
    const evil = contentImage('evil\n');
    await pushImage(gate.registry, 'team/app', evil);
    const index = buildIndex([evil]);
    await pushImage(gate.registry, 'team/app', index, TAG);
    await gate.signBehind('team/app', index.digest);
    expect((await gate.call('GET', manifestAt(evil.digest))).status).toBe(403);
    expect((await gate.call('GET', manifestAt(TAG))).status).toBe(200);
    gate.later(60_000);
    expect((await gate.call('GET', manifestAt(evil.digest))).status).toBe(403);
  });

  it('whose bytes are given an ordinary tag as well is an ordinary index there', async () => {
    const gate = await attacked();
    const child = buildImage({
      subject: { digest: SUBJECT, manifest: Buffer.alloc(5), mediaType: MEDIA.ociManifest },
    });
    await pushImage(gate.url, 'team/app', child);
    const index = indexOf(child);
    await pushFallback(gate, 'team/app', SUBJECT, index);
    await gate.sign('team/app', digestOf(index));
    const headers = { 'content-type': MEDIA.ociIndex };
    expect((await gate.call('PUT', manifestAt('1.0'), { headers, body: index })).status).toBe(201);
    expect((await gate.call('GET', manifestAt('1.0'))).status).toBe(200);
    expect((await gate.call('GET', manifestAt(child.digest))).status).toBe(200);
  });

  it('loses nothing of writers who read the same and write at once', async () => {
    const gate = await attacked();
    const first = await pushed(gate, 'first');
    await pushFallback(gate, 'team/app', SUBJECT, indexOf(first));
    const all = await Promise.all(
      Array.from({ length: 12 }, async (_, n) => {
        const mine = await pushed(gate, `n${n}`);
        const index = indexOf(first, mine);
        const put = await pushFallback(gate, 'team/app', SUBJECT, index);
        expect([put.status, put.headers['docker-content-digest']]).toEqual([201, digestOf(index)]);
        const own = await gate.call('GET', manifestAt(digestOf(index)));
        expect([own.status, own.body.equals(index)]).toEqual([200, true]);
        return mine;
      }),
    );
    expect((await listed(gate)).toSorted()).toEqual(digestsOf(first, ...all).toSorted());
  });

  it('keeps an entry as its client wrote it', async () => {
    const gate = await attacked();
    const [a, b] = [await pushed(gate, 'a'), await pushed(gate, 'b')];
    const odd = {
      ...entryOf(a),
      artifactType: MEDIA.ociEmpty,
      annotations: { x: 'ü' },
      'x-new': 1,
    };
    await pushFallback(gate, 'team/app', SUBJECT, fallbackIndex([odd]));
    await pushFallback(gate, 'team/app', SUBJECT, indexOf(b));
    const { manifests } = JSON.parse((await gate.call('GET', manifestAt(TAG))).text) as {
      manifests: unknown[];
    };
    expect(manifests).toEqual([odd, entryOf(b)]);
  });

  it('for a sha512 digest stands under the half of it', async () => {
    const gate = await attacked();
    const subject = digestOf(Buffer.from('a subject'), 'sha512');
    const envelope = Buffer.from(
      JSON.stringify({
        _type: 'https://in-toto.io/Statement/v1',
        subject: [{ digest: { sha512: subject.slice(7) } }],
      }),
    );
    const referrer = buildReferrer(subject, IN_TOTO, envelope);
    await pushReferrer(gate, 'team/app', referrer);
    expect((await gate.call('GET', manifestAt(referrer.digest))).status).toBe(200);
    expect((await pushFallback(gate, 'team/app', subject, indexOf(referrer))).status).toBe(201);
    expect(await listed(gate, fallbackTag(subject))).toEqual([referrer.digest]);
    const other = await pushed(gate, 'of another');
    expect((await pushFallback(gate, 'team/app', subject, indexOf(other))).status).toBe(400);
  });

  it('is bounded: the newest entries stay', { timeout: 60_000 }, async () => {
    const gate = await attacked();
    const all: TestReferrer[] = [];
    for (let n = 0; n < LIMITS.fallbackEntries + 2; n++) all.push(await pushed(gate, `n${n}`));
    expect((await pushFallback(gate, 'team/app', SUBJECT, indexOf(...all))).status).toBe(201);
    const kept = await listed(gate);
    expect(kept.toSorted()).toEqual(digestsOf(...all.slice(2)).toSorted());
  });
});

describe('deleting what a fallback index was', () => {
  const attacked = attackedGates();
  const remove = async (gate: Attacked, digest: Digest, headers = {}): Promise<number> =>
    (await gate.call('DELETE', manifestAt(digest), { headers })).status;

  it('is for whoever pushed a newer one, though nothing else may be deleted', async () => {
    const gate = await attacked({ access: ACCESS });
    const ci = as('ci');
    const [a, b] = [await pushed(gate, 'a', ci), await pushed(gate, 'b', ci)];
    const [one, two] = [indexOf(a), indexOf(a, b)];
    const made = contentImage('signed\n');
    await pushImage(gate.url, 'team/app', made, undefined, ci);
    await pushFallback(gate, 'team/app', SUBJECT, one, ci);
    expect(await remove(gate, digestOf(one), ci)).toBe(403);
    await pushFallback(gate, 'team/app', SUBJECT, two, ci);
    await gate.restart();
    expect(await remove(gate, digestOf(one), as('dev'))).toBe(403);
    expect(await remove(gate, digestOf(one))).toBe(401);
    expect(await remove(gate, digestOf(one), ci)).toBe(202);
    expect((await gate.call('GET', manifestAt(digestOf(one)), { headers: ci })).status).toBe(404);
    for (const digest of [digestOf(two), a.digest, b.digest, made.digest])
      expect([digest, await remove(gate, digest, ci)]).toEqual([digest, 403]);
    expect((await gate.call('GET', manifestAt(TAG), { headers: ci })).body.equals(two)).toBe(true);
  });

  it('is done only where the registry says so: its trouble is not, and what it hides stays known', async () => {
    const gate = await attacked();
    const [a, b] = [await pushed(gate, 'a'), await pushed(gate, 'b')];
    const old = indexOf(a);
    await pushFallback(gate, 'team/app', SUBJECT, old);
    await pushFallback(gate, 'team/app', SUBJECT, indexOf(a, b));
    for (const [status, expected] of [
      [429, 503],
      [500, 503],
      [404, 202],
    ] as const) {
      gate.fault((request, response) => {
        if (request.method === 'DELETE') response.writeHead(status).end();
        return request.method === 'DELETE';
      });
      expect([status, await remove(gate, digestOf(old))]).toEqual([status, expected]);
      expect((await gate.call('GET', manifestAt(digestOf(old)))).status).toBe(200);
    }
    gate.fault(null);
    expect(await remove(gate, digestOf(old))).toBe(202);
    expect((await gate.call('GET', manifestAt(digestOf(old)))).status).toBe(404);
  });

  it('reaches no index that came here in another way, whatever tag it is pushed under later', async () => {
    const gate = await attacked({ policy: 'push: allow' });
    const child: TestImage = buildImage({
      subject: { digest: SUBJECT, manifest: Buffer.alloc(5), mediaType: MEDIA.ociManifest },
    });
    const a = await pushed(gate, 'a');
    const headers = { 'content-type': MEDIA.ociIndex };
    for (const base of [gate.url, gate.registry]) {
      const own = buildIndex([child], { annotations: { base } });
      await pushImage(base, 'team/app', own, `own-${new URL(base).port}`);
      const put = await gate.call('PUT', manifestAt(TAG), { headers, body: own.manifest });
      expect(put.status).toBe(201);
      await pushFallback(gate, 'team/app', SUBJECT, indexOf(a));
      expect(await remove(gate, own.digest)).toBe(403);
    }
  });

  it('of an entry is remembered: a writer who read before does not bring it back', async () => {
    const gate = await attacked({ policy: 'delete: allow' });
    const [a, b, c] = [await pushed(gate, 'a'), await pushed(gate, 'b'), await pushed(gate, 'c')];
    await pushFallback(gate, 'team/app', SUBJECT, indexOf(a, b));
    expect(await remove(gate, b.digest)).toBe(202);
    await expect.poll(() => listed(gate)).toEqual(digestsOf(a));
    const stale = await pushFallback(gate, 'team/app', SUBJECT, indexOf(a, b, c));
    expect(stale.status).toBe(201);
    expect(await listed(gate)).toEqual(digestsOf(a, c));
  });

  it('of an entry, index first as oras does, leaves the others', async () => {
    const gate = await attacked({ policy: 'delete: allow' });
    const [a, b, c] = [await pushed(gate, 'a'), await pushed(gate, 'b'), await pushed(gate, 'c')];
    const whole = indexOf(a, b, c);
    await pushFallback(gate, 'team/app', SUBJECT, whole);
    expect((await pushFallback(gate, 'team/app', SUBJECT, indexOf(a, c))).status).toBe(201);
    // Its manifest is still there, so that the entry may as well be another writer's.
    expect(await listed(gate)).toEqual(digestsOf(a, b, c));
    expect(await remove(gate, digestOf(whole))).toBe(202);
    expect(await listed(gate)).toEqual(digestsOf(a, b, c));
    expect(await remove(gate, b.digest)).toBe(202);
    await expect.poll(() => listed(gate)).toEqual(digestsOf(a, c));
  });

  it('of an entry round the gate is noticed by the next push', async () => {
    const gate = await attacked();
    const [a, b, c] = [await pushed(gate, 'a'), await pushed(gate, 'b'), await pushed(gate, 'c')];
    await pushFallback(gate, 'team/app', SUBJECT, indexOf(a, b));
    const behind = await fetch(`${gate.registry}${manifestAt(b.digest)}`, { method: 'DELETE' });
    expect(behind.status).toBe(202);
    await pushFallback(gate, 'team/app', SUBJECT, indexOf(a, c));
    expect(await listed(gate)).toEqual(digestsOf(a, c));
  });

  it('waits for a registry that cannot say what is gone: nothing is dropped for want of an answer', async () => {
    const gate = await attacked();
    const [a, b, c] = [await pushed(gate, 'a'), await pushed(gate, 'b'), await pushed(gate, 'c')];
    await pushFallback(gate, 'team/app', SUBJECT, indexOf(a, b));
    gate.fault((request, response) => {
      if (request.url !== manifestAt(b.digest)) return false;
      response.writeHead(500).end();
      return true;
    });
    expect((await pushFallback(gate, 'team/app', SUBJECT, indexOf(a, c))).status).toBe(503);
    gate.fault(null);
    expect(await listed(gate)).toEqual(digestsOf(a, b));
  });
});
