import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { KeyType } from '../../../src/keys/key.ts';
import { CountersignError } from '../../../src/lib/errors.ts';
import type { Json } from '../../../src/lib/json.ts';
import { unwrap } from '../../../src/lib/result.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import type { Descriptor } from '../../../src/oci/manifest.ts';
import { MEDIA } from '../../../src/oci/media-types.ts';
import { parseRepository } from '../../../src/oci/reference.ts';
import type { ReferrerList } from '../../../src/oci/referrers.ts';
import { fallbackTag } from '../../../src/oci/referrers.ts';
import { systemClock } from '../../../src/lib/time.ts';
import type { Finding } from '../../../src/trust/format.ts';
import { cosignFormat } from '../../../src/trust/cosign/cosign.ts';
import { verifyCosign } from '../../../src/trust/cosign/verify.ts';
import type { TestBundle } from '../../support/bundle.ts';
import {
  BUNDLE_TYPE,
  bundleManifest,
  bundleOf,
  indexOf,
  statementFor,
} from '../../support/bundle.ts';
import { MemoryEvidence } from '../../support/evidence.ts';
import type { TestSigner } from '../../support/signer.ts';
import { testSigner } from '../../support/signer.ts';

const repository = unwrap(parseRepository('registry.example.com/prod/app'));
const subject = { repository, digest: digestOf(Buffer.from('image')) };
const other = digestOf(Buffer.from('another image'));
const alice = testSigner();
const mallory = testSigner();
const ALICE = [{ name: 'alice', keys: [alice.publicKey] }];
const named = { annotations: { 'dev.countersign.reference': `${repository}:1.2` } };
const statuses = (findings: readonly Finding[]): string[] => findings.map((one) => one.status);

type Members = Readonly<Record<string, Json | undefined>>;

async function bundle(signer = alice, statement = statementFor(subject.digest, {}, named)) {
  return bundleManifest(await bundleOf(statement, signer), subject.digest);
}

const annotated = (predicate: string): Members => ({
  annotations: { 'dev.sigstore.bundle.predicateType': predicate },
});

/** The two ways in which registries tell of referrers, and both at once. */
type Store = 'api' | 'index' | 'both';

function stored(bundles: readonly TestBundle[], store: Store = 'api'): MemoryEvidence {
  const evidence = new MemoryEvidence();
  evidence.listsReferrers = store !== 'index';
  for (const { blob, manifest, digest } of bundles) {
    evidence.keep(blob);
    evidence.store(digest, manifest, MEDIA.ociManifest);
  }
  if (store !== 'api')
    setIndex(
      evidence,
      bundles.map((one) => one.indexed),
    );
  return evidence;
}

function setIndex(evidence: MemoryEvidence, entries: readonly Descriptor[]): void {
  evidence.store(fallbackTag(subject.digest), indexOf(entries), MEDIA.ociIndex);
}

const verify = (evidence: MemoryEvidence, authorities = ALICE): Promise<readonly Finding[]> =>
  verifyCosign(subject, evidence, authorities);

/** As a registry that lists these, whatever they are. */
class Listing extends MemoryEvidence {
  list: ReferrerList | null = null;
  override async referrers(digest: Digest): Promise<ReferrerList | null> {
    await super.referrers(digest);
    return this.list;
  }
}

describe('verifying Sigstore bundles', () => {
  it.each<Store>(['api', 'index', 'both'])('accepts a good one, found by %s', async (store) => {
    const one = await bundle();
    expect(await verify(stored([one], store))).toMatchObject([
      {
        status: 'valid',
        authority: 'alice',
        keyId: alice.publicKey.id,
        signed: { repository, tag: '1.2' },
        signedAt: null,
        evidence: digestOf(one.blob),
        annotations: named.annotations,
      },
    ]);
  });

  it.each<KeyType>(['ed25519', 'ecdsa-p256', 'ecdsa-p384', 'rsa'])(
    'accepts a key of type %s, and no other one (T-25)',
    async (type) => {
      const signer = testSigner(type);
      const evidence = stored([await bundle(signer)]);
      const by = (key: TestSigner) => [{ name: 'a', keys: [key.publicKey] }];
      expect(statuses(await verify(evidence, by(signer)))).toEqual(['valid']);
      expect(statuses(await verify(evidence, by(testSigner(type))))).toEqual(['invalid']);
    },
  );

  it('says of one that names no repository what to add', async () => {
    const [found] = await verify(stored([await bundle(alice, statementFor(subject.digest))]));
    expect(found).toMatchObject({ status: 'valid', signed: null });
    expect(found?.reason).toContain('-a dev.countersign.reference=HOST/NAME:TAG');
  });

  it('finds one through an entry without a type, and one of which only one list knows', async () => {
    const [first, second] = [await bundle(), await bundle(mallory)];
    const evidence = new Listing();
    for (const { blob, manifest, digest } of [first, second]) {
      evidence.keep(blob);
      evidence.store(digest, manifest, MEDIA.ociManifest);
    }
    evidence.list = { descriptors: [first.indexed], complete: true };
    const { artifactType, ...untyped } = second.indexed;
    expect(artifactType).toBe(MEDIA.ociEmpty);
    setIndex(evidence, [untyped]);
    const both = [...ALICE, { name: 'mallory', keys: [mallory.publicKey] }];
    const found = await verify(evidence, both);
    expect(found.map((one) => [one.status, one.authority])).toEqual([
      ['valid', 'alice'],
      ['valid', 'mallory'],
    ]);
  });

  it('counts a claim by a key once, however often it was signed (T-14)', async () => {
    const bundles = [await bundle(), await bundle(), await bundle()];
    expect(new Set(bundles.map((one) => one.digest)).size).toBe(3);
    expect(await verify(stored(bundles, 'both'))).toHaveLength(1);
  });

  it('needs three rounds: the lists, what they name, its content', async () => {
    const evidence = stored([await bundle(), await bundle(mallory)], 'index');
    await cosignFormat(systemClock).sign(
      { ...subject, tag: '1.2', annotations: {} },
      alice,
      evidence,
    );
    evidence.calls.length = 0;
    // A call that waits for every other of its round: with one asked later, the rounds are not three.
    let rounds = 0;
    const open: (() => void)[] = [];
    const gated = <A extends readonly unknown[], R>(call: (...args: A) => Promise<R>) => {
      return async (...args: A): Promise<R> => {
        await new Promise<void>((resolve) => open.push(resolve));
        return call.call(evidence, ...args);
      };
    };
    const source = {
      manifest: gated(evidence.manifest.bind(evidence)),
      blob: gated(evidence.blob.bind(evidence)),
      referrers: gated(evidence.referrers.bind(evidence)),
    };
    let done = false;
    const judging = verifyCosign(subject, source, ALICE).finally(() => (done = true));
    while (!done) {
      // Every call takes one turn of the event loop once it is let go.
      for (let turns = 0; turns < 10; turns++) await turn();
      if (open.length > 0) rounds++;
      for (const go of open.splice(0)) go();
    }
    expect(statuses(await judging)).toEqual(['valid', 'valid', 'invalid']);
    expect(rounds).toBe(3);
    expect(evidence.calls.map((call) => call.op)).toContain('referrers');
  });

  describe('counts none', () => {
    it('that no known key signed, whatever key or hint it brings (T-08)', async () => {
      const hint = Buffer.from(alice.publicKey.id, 'hex').toString('base64');
      const statement = statementFor(subject.digest, {}, named);
      const forged = await bundleOf(statement, mallory, {
        verificationMaterial: { publicKey: { hint, rawBytes: hint } },
      });
      const found = await verify(stored([bundleManifest(forged, subject.digest)]));
      expect(found).toMatchObject([{ status: 'invalid', authority: null, keyId: null }]);
    });

    it('that is keyless, though a known key made its signature (T-08)', async () => {
      const blob = await bundleOf(statementFor(subject.digest, {}, named), alice, {
        verificationMaterial: { certificate: { rawBytes: 'AAAA' } },
      });
      const [found] = await verify(stored([bundleManifest(blob, subject.digest)]));
      expect(found).toMatchObject({ status: 'invalid', authority: null });
      expect(found?.reason).toContain('keyless signatures are not asked for here');
    });

    it('that is an attestation by a trusted key, whatever its type and listing (T-09, T-10)', async () => {
      const sign = 'https://sigstore.dev/cosign/sign/v1';
      for (const type of [
        'https://slsa.dev/provenance/v1',
        'https://spdx.dev/Document',
        `${sign}0`,
      ]) {
        const statement = statementFor(subject.digest, { predicateType: type }, named);
        const blob = await bundleOf(statement, alice);
        for (const more of [{}, annotated(sign)]) {
          const found = await verify(stored([bundleManifest(blob, subject.digest, more)], 'both'));
          expect(found).toMatchObject([{ status: 'invalid', authority: 'alice' }]);
          expect(found[0]?.reason).toContain('is no signature');
        }
        const evidence = stored([bundleManifest(blob, subject.digest, annotated(type))], 'both');
        const [found, ...more] = await verify(evidence);
        expect(found).toMatchObject({ status: 'absent', authority: null });
        expect(found?.reason).toContain('1 attestation is no signature');
        expect(more).toEqual([]);
        // By its own word it is none, so it is not even read.
        expect(evidence.calls.filter((call) => call.op === 'blob')).toEqual([]);
      }
    });

    it('of another image: neither its statement nor its manifest can be exchanged (T-07)', async () => {
      const foreign = await bundleOf(statementFor(other, {}, named), alice);
      const spliced = bundleManifest(foreign, subject.digest);
      expect(await verify(stored([spliced], 'both'))).toMatchObject([
        { status: 'invalid', authority: 'alice' },
      ]);
      const elsewhere = bundleManifest(foreign, other);
      const evidence = stored([elsewhere], 'index');
      const [found] = await verify(evidence);
      expect(found).toMatchObject({ status: 'invalid', authority: null });
      expect(found?.reason).toContain('another image');
      const good = await bundleOf(statementFor(subject.digest, {}, named), alice);
      const homeless = bundleManifest(good, subject.digest, { subject: undefined });
      expect(statuses(await verify(stored([homeless], 'index')))).toEqual(['invalid']);
    });

    it.each<[string, Members]>([
      ['with no layer', { layers: [] }],
      [
        'with a layer of another type',
        { layers: [{ mediaType: MEDIA.ociLayer, size: 2, digest: other }] },
      ],
      [
        'with a layer that is not there',
        { layers: [{ mediaType: BUNDLE_TYPE, size: 2, digest: other }] },
      ],
    ])('whose manifest is one %s', async (_, more) => {
      const blob = await bundleOf(statementFor(subject.digest, {}, named), alice);
      const evidence = stored([bundleManifest(blob, subject.digest, more)], 'both');
      expect(statuses(await verify(evidence))).toEqual(['invalid']);
    });

    it('with another layer beside the bundle, nor a huge one, which is not read (T-59)', async () => {
      const blob = await bundleOf(statementFor(subject.digest, {}, named), alice);
      const layer = { mediaType: BUNDLE_TYPE, size: blob.length, digest: digestOf(blob) };
      for (const layers of [[layer, layer], [{ ...layer, size: 2 ** 40 }]]) {
        const evidence = stored([bundleManifest(blob, subject.digest, { layers })], 'both');
        expect(statuses(await verify(evidence))).toEqual(['invalid']);
        expect(evidence.calls.filter((call) => call.op === 'blob')).toEqual([]);
      }
    });

    it('whose layer says less or more than the bundle has (T-61)', async () => {
      const blob = await bundleOf(statementFor(subject.digest, {}, named), alice);
      for (const size of [10, blob.length + 1]) {
        const layers = [{ mediaType: BUNDLE_TYPE, size, digest: digestOf(blob) }];
        const evidence = stored([bundleManifest(blob, subject.digest, { layers })]);
        expect(statuses(await verify(evidence))).toEqual(['invalid']);
      }
    });

    it('among garbage, SBOMs and what no list should name (T-10)', async () => {
      const garbage = bundleManifest(Buffer.from('\u0000garbage'), subject.digest);
      const sbom = bundleManifest(Buffer.from('{"spdxVersion":"SPDX-2.3"}'), subject.digest);
      expect(statuses(await verify(stored([garbage, sbom])))).toEqual(['invalid', 'invalid']);
      const image = bundleManifest(Buffer.from('{}'), subject.digest, {
        artifactType: 'application/spdx+json',
        layers: [{ mediaType: 'application/spdx+json', size: 2, digest: other }],
      });
      expect(statuses(await verify(stored([image], 'both')))).toEqual(['absent']);
      const gone = stored([], 'index');
      setIndex(gone, [image.indexed]);
      expect(statuses(await verify(gone))).toEqual(['absent']);
      const junk = stored([]);
      junk.store(fallbackTag(subject.digest), Buffer.from('junk'), MEDIA.ociIndex);
      expect(statuses(await verify(junk))).toEqual(['invalid']);
    });
  });

  describe('beside classic signatures', () => {
    const classic = async (signer: TestSigner, evidence: MemoryEvidence): Promise<void> => {
      const request = { ...subject, tag: '1.2', annotations: {} };
      await cosignFormat(systemClock).sign(request, signer, evidence);
    };

    it('neither store hides the other, as cosign 3 lets bundles do', async () => {
      const bob = testSigner();
      const evidence = stored([await bundle()], 'both');
      await classic(bob, evidence);
      const both = [...ALICE, { name: 'bob', keys: [bob.publicKey] }];
      const found = (await verify(evidence, both)).map((one) => `${one.authority} ${one.status}`);
      expect(found.toSorted()).toEqual(['alice valid', 'bob valid']);
      for (const junk of ['junk', '{}']) {
        const bad = stored([bundleManifest(Buffer.from(junk), subject.digest)], 'both');
        await classic(alice, bad);
        expect(statuses(await verify(bad))).toEqual(['valid', 'invalid']);
      }
    });

    it('trouble with either is said beside what the other says (T-39)', async () => {
      const down = new CountersignError('UPSTREAM_UNAVAILABLE', 'the registry answered 429');
      const evidence = stored([await bundle()], 'index');
      const tag = `${subject.digest.replace(':', '-')}.sig`;
      evidence.fault = (call) => {
        if (call.reference === tag) throw down;
      };
      expect(statuses(await verify(evidence)).toSorted()).toEqual(['inconclusive', 'valid']);
      evidence.fault = (call) => {
        if (call.op === 'referrers' || call.reference === fallbackTag(subject.digest)) throw down;
      };
      const found = await verify(evidence);
      expect(statuses(found)).toEqual(['inconclusive', 'inconclusive']);
      expect(found[0]?.reason).toContain('429');
    });
  });

  it('that cannot be read at any call are neither absent nor trusted (T-13, T-39)', async () => {
    const evidence = stored([await bundle()], 'index');
    await verify(evidence);
    const { length } = evidence.calls;
    expect(length).toBe(5);
    let untrusted = 0;
    for (const error of [
      new CountersignError('UPSTREAM_UNAVAILABLE', 'no answer'),
      new TypeError('broken'),
    ]) {
      for (let failing = 0; failing < length; failing++) {
        evidence.calls.length = 0;
        evidence.fault = (_call, index) => {
          if (index === failing) throw error;
        };
        const found = statuses(await verify(evidence));
        expect(found).toContain('inconclusive');
        expect(found).not.toContain('absent');
        if (!found.includes('valid')) untrusted++;
      }
    }
    // The index, the manifest and the blob, for each kind of failure.
    expect(untrusted).toBe(6);
  });

  it('answered with other bytes are not trusted (T-04)', async () => {
    const one = await bundle();
    for (const digest of [one.digest, digestOf(one.blob)]) {
      for (const trusting of [true, false]) {
        const evidence = stored([one], 'index');
        const manifest = {
          bytes: Buffer.from(`${one.manifest.toString()} `),
          mediaType: MEDIA.ociManifest,
        };
        if (digest === one.digest) evidence.manifests.set(digest, manifest);
        else evidence.blobs.set(digest, Buffer.alloc(one.blob.length, 97));
        evidence.trusting = trusting;
        expect(statuses(await verify(evidence))).toEqual(['inconclusive']);
      }
    }
  });

  describe('of more than are looked at', () => {
    const junk = Array.from({ length: 200 }, (_, at) =>
      bundleManifest(Buffer.from(`junk ${at}`), subject.digest),
    );
    const typed = (one: TestBundle): Descriptor => ({ ...one.indexed, artifactType: BUNDLE_TYPE });

    it.each([
      [63, 'valid'],
      [64, 'invalid'],
    ])('finds a good one after %s others: %s, every time (T-60)', async (before, expected) => {
      const good = await bundle();
      const evidence = stored([...junk, good], 'index');
      const rest = junk.slice(before).map(typed);
      setIndex(evidence, [...junk.slice(0, before).map(typed), typed(good), ...rest]);
      for (let again = 0; again < 2; again++) {
        evidence.calls.length = 0;
        const found = await verify(evidence);
        expect(found[0]?.status).toBe(expected);
        expect(found.length).toBeLessThan(10);
        expect(found.at(-1)?.reason).toContain('at most 64 bundles, found 201');
        expect(evidence.calls.length).toBeLessThan(64 * 2 + 5);
      }
    });

    it('junk in one list does not hide what the other one names', async () => {
      const good = await bundle();
      const evidence = new Listing();
      for (const { blob, manifest, digest } of [...junk, good]) {
        evidence.keep(blob);
        evidence.store(digest, manifest, MEDIA.ociManifest);
      }
      evidence.list = { descriptors: junk.map(typed), complete: true };
      setIndex(evidence, [typed(good)]);
      expect((await verify(evidence))[0]).toMatchObject({ status: 'valid' });
      evidence.list = { descriptors: [typed(good)], complete: true };
      setIndex(evidence, junk.map(typed));
      expect((await verify(evidence))[0]).toMatchObject({ status: 'valid' });
    });

    it('looks at bundles first, and at attestations last', async () => {
      const good = await bundle();
      const evidence = stored([...junk, good], 'index');
      const attested = junk.map((one) => ({
        ...typed(one),
        annotations: { 'dev.sigstore.bundle.predicateType': 'https://spdx.dev/Document' },
      }));
      setIndex(evidence, [
        ...attested,
        ...junk.slice(0, 63).map((one) => one.indexed),
        good.indexed,
      ]);
      expect((await verify(evidence))[0]).toMatchObject({ status: 'valid' });
    });

    it('says so where the registry has more than it lists', async () => {
      const good = await bundle();
      const evidence = new Listing();
      evidence.keep(good.blob);
      evidence.store(good.digest, good.manifest, MEDIA.ociManifest);
      evidence.list = { descriptors: [typed(good)], complete: false };
      expect(statuses(await verify(evidence))).toEqual(['valid', 'invalid']);
      evidence.list = { descriptors: [], complete: false };
      const [found] = await verify(evidence);
      expect(found).toMatchObject({ status: 'invalid' });
      expect(found?.reason).toContain('were not looked at');
    });
  });
});
