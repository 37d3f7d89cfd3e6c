import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KeyType } from '../../src/keys/key.ts';
import { CountersignError } from '../../src/lib/errors.ts';
import { LIMITS } from '../../src/lib/limits.ts';
import { unwrap } from '../../src/lib/result.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { parseManifest } from '../../src/oci/manifest.ts';
import { MEDIA } from '../../src/oci/media-types.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import type { Authority, Finding, SignatureFormat, Subject } from '../../src/trust/format.ts';
import { FORMATS, formatByName } from '../../src/trust/formats.ts';
import { MemoryEvidence } from '../support/evidence.ts';
import type { TestSigner } from '../support/signer.ts';
import { testSigner } from '../support/signer.ts';

const repository = unwrap(parseRepository('registry.example.com/prod/app'));
const image = Buffer.from('{"schemaVersion":2,"note":"the image"}');
const subject: Subject = { repository, digest: digestOf(image) };
const other: Subject = { repository, digest: digestOf(Buffer.from('another image')) };
const request = { ...subject, tag: '1.2', annotations: { build: '7' } };
const alice = testSigner();
const mallory = testSigner();
const authority = (name: string, ...signers: readonly TestSigner[]): Authority => ({
  name,
  keys: signers.map((signer) => signer.publicKey),
});
const ALICE = [authority('alice', alice)];
const statuses = (findings: readonly Finding[]): string[] => findings.map((f) => f.status);
const down = (): CountersignError => new CountersignError('UPSTREAM_UNAVAILABLE', 'no answer');

async function signed(format: SignatureFormat, ...signers: TestSigner[]): Promise<MemoryEvidence> {
  const store = new MemoryEvidence();
  for (const signer of signers) await format.sign(request, signer, store);
  return store;
}

/** What was signed, as the format names it. */
async function evidenceOf(format: SignatureFormat, store: MemoryEvidence): Promise<Digest> {
  const [finding] = await format.verify(subject, store, ALICE);
  if (finding?.evidence === undefined || finding.evidence === null) throw new Error('no evidence');
  return finding.evidence;
}

/** Rewrites the list of signatures under every tag of the format's artifacts. */
function rewrite(
  format: SignatureFormat,
  store: MemoryEvidence,
  change: (layers: readonly object[]) => readonly object[],
): void {
  for (const tag of [...store.tags.keys()].filter((t) => format.subjectOfTag(t) !== null)) {
    const manifest = JSON.parse(store.text(tag)) as { layers: object[] };
    const layers = change(manifest.layers);
    store.store(tag, Buffer.from(JSON.stringify({ ...manifest, layers })), MEDIA.ociManifest);
  }
}

it('formats are found by name', () => {
  expect(FORMATS.length).toBeGreaterThan(0);
  for (const format of FORMATS) expect(formatByName(format.name)).toBe(format);
  expect(formatByName('pgp')).toBeUndefined();
});

describe.each(FORMATS)('the format $name', (format) => {
  describe('accepts', () => {
    it.each<KeyType>(['ed25519', 'ecdsa-p256', 'ecdsa-p384', 'rsa'])(
      'what a key of type %s signed, and says by whom, for what and when',
      async (type) => {
        const signer = testSigner(type);
        const before = Math.floor(Date.now() / 1000);
        const store = await signed(format, signer);
        const found = await format.verify(subject, store, [authority('alice', signer)]);
        expect(found).toMatchObject([
          {
            format: format.name,
            authority: 'alice',
            keyId: signer.publicKey.id,
            status: 'valid',
            signed: { repository, tag: '1.2' },
            signedAt: { trusted: false },
            annotations: { build: '7' },
          },
        ]);
        expect(store.blobs.has(found[0]?.evidence ?? '')).toBe(true);
        expect((found[0]?.signedAt?.time.getTime() ?? 0) / 1000).toBeGreaterThanOrEqual(before);
      },
    );

    it('a signature that names no tag, and says so', async () => {
      const store = new MemoryEvidence();
      await format.sign({ ...request, tag: null, annotations: {} }, alice, store);
      expect(await format.verify(subject, store, ALICE)).toMatchObject([
        { status: 'valid', signed: { repository, tag: null } },
      ]);
    });

    it('several signers, each for itself', async () => {
      const store = await signed(format, alice, mallory);
      const both = [...ALICE, authority('mallory', mallory)];
      const found = await format.verify(subject, store, both);
      expect(found.map((f) => [f.status, f.authority])).toEqual([
        ['valid', 'alice'],
        ['valid', 'mallory'],
      ]);
      expect(statuses(await format.verify(subject, store, ALICE)).toSorted()).toEqual([
        'invalid',
        'valid',
      ]);
    });

    // Quorums count authorities (decide); a revoked key's finding must not stand in for a good key's.
    it('each key of an authority once, however often its signature is repeated (T-14)', async () => {
      const store = await signed(format, alice, mallory);
      rewrite(format, store, (layers) => [...layers, ...layers, ...layers]);
      const found = await format.verify(subject, store, [authority('alice', alice, mallory)]);
      expect(new Set(found.map((f) => f.authority))).toEqual(new Set(['alice']));
      expect(found).toHaveLength(2);
      expect(new Set(found.map((f) => f.keyId))).toEqual(
        new Set([alice, mallory].map((signer) => signer.publicKey.id)),
      );
    });

    it('a good signature among the first 64 of ten thousand (T-60)', async () => {
      const store = await signed(format, mallory, alice);
      rewrite(format, store, ([junk = {}, good = {}]) => [
        ...Array.from({ length: 63 }, () => junk),
        good,
        ...Array.from({ length: 9936 }, () => junk),
      ]);
      const found = await format.verify(subject, store, ALICE);
      expect(found.filter((f) => f.status === 'valid')).toMatchObject([{ authority: 'alice' }]);
      expect(found.length).toBeLessThan(16);
      expect(found.some((f) => f.reason.includes('10000'))).toBe(true);
      expect(store.calls.length).toBeLessThan(200);
    });
  });

  describe('refuses', () => {
    it('what no known key signed', async () => {
      const store = await signed(format, mallory);
      expect(await format.verify(subject, store, ALICE)).toMatchObject([
        { status: 'invalid', authority: null, keyId: null },
      ]);
      expect(statuses(await format.verify(subject, store, []))).toEqual(['invalid']);
    });

    it('a key of another type than the one that signed (T-25)', async () => {
      const types: KeyType[] = ['ed25519', 'ecdsa-p256', 'ecdsa-p384', 'rsa'];
      const signers = types.map((type) => testSigner(type));
      for (const signer of signers) {
        const store = await signed(format, signer);
        const rest = signers.filter((s) => s !== signer).map((s, i) => authority(`a${i}`, s));
        expect(statuses(await format.verify(subject, store, rest))).toEqual(['invalid']);
      }
    });

    it('a signature of another image, put under this one', async () => {
      const store = await signed(format, alice);
      for (const [tag, digest] of store.tags) {
        store.tags.set(tag.replace(subject.digest.slice(7), other.digest.slice(7)), digest);
      }
      const found = await format.verify(other, store, ALICE);
      expect(found).toMatchObject([{ status: 'invalid', authority: 'alice' }]);
      expect(found[0]?.reason).toContain('another image');
    });

    it('a signed payload with any byte changed', async () => {
      const store = await signed(format, alice);
      const evidence = await evidenceOf(format, store);
      const payload = store.blobs.get(evidence) ?? new Uint8Array();
      expect(payload.byteLength).toBeGreaterThan(100);
      for (let at = 0; at < payload.byteLength; at++) {
        const changed = Buffer.from(payload);
        changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
        const copy = store.copy();
        copy.replace(evidence, changed);
        expect(statuses(await format.verify(subject, copy, ALICE))).toEqual(['invalid']);
      }
    });

    it('a signed payload cut short at any byte, and one with bytes added (T-12)', async () => {
      const store = await signed(format, alice);
      const evidence = await evidenceOf(format, store);
      const payload = store.blobs.get(evidence) ?? new Uint8Array();
      const variants = Array.from(payload, (_, end) => payload.subarray(0, end));
      variants.push(Buffer.concat([payload, Buffer.from(' ')]));
      for (const variant of variants) {
        const copy = store.copy();
        copy.replace(evidence, variant);
        expect(statuses(await format.verify(subject, copy, ALICE))).toEqual(['invalid']);
      }
    });

    it('an oversized payload, without reading it', async () => {
      const store = await signed(format, alice);
      const evidence = await evidenceOf(format, store);
      store.replace(evidence, Buffer.alloc(70_000, 32));
      store.calls.length = 0;
      expect(statuses(await format.verify(subject, store, ALICE))).toEqual(['invalid']);
      expect(store.calls.filter((c) => c.op === 'blob')).toEqual([]);
    });

    it('a descriptor that says less than the payload has', async () => {
      const store = await signed(format, alice);
      rewrite(format, store, (layers) => layers.map((layer) => ({ ...layer, size: 10 })));
      expect(statuses(await format.verify(subject, store, ALICE))).toEqual(['invalid']);
    });

    it('a payload that the registry does not have', async () => {
      const store = await signed(format, alice);
      store.blobs.delete(await evidenceOf(format, store));
      expect(statuses(await format.verify(subject, store, ALICE))).toEqual(['invalid']);
    });

    it('whatever somebody puts in place of the manifest, without throwing', async () => {
      const store = await signed(format, alice);
      const tags = [...store.tags.keys()];
      await fc.assert(
        fc.asyncProperty(
          fc.oneof(
            fc.uint8Array(),
            fc.json().map((j) => Buffer.from(j)),
          ),
          async (junk) => {
            const copy = store.copy();
            for (const tag of tags) copy.store(tag, junk, MEDIA.ociManifest);
            expect(statuses(await format.verify(subject, copy, ALICE))).toEqual(['invalid']);
          },
        ),
        { numRuns: 50 },
      );
    });

    it('a manifest changed at any byte, unless what was signed still stands', async () => {
      const store = await signed(format, alice);
      const [tag = ''] = store.tags.keys();
      const text = store.text(tag);
      for (let at = 0; at < text.length; at++) {
        const changed = Buffer.from(text);
        changed[at] = (changed[at] ?? 0) ^ 1;
        const copy = store.copy();
        copy.store(tag, changed, MEDIA.ociManifest);
        const valid = (await format.verify(subject, copy, ALICE)).filter(
          (f) => f.status === 'valid',
        );
        for (const finding of valid) {
          expect(finding).toMatchObject({ authority: 'alice', signed: { repository, tag: '1.2' } });
        }
      }
    });

    it('a flood of bad signatures in few words', async () => {
      const store = await signed(format, mallory);
      rewrite(format, store, ([junk = {}]) => Array.from({ length: 64 }, () => junk));
      const found = await format.verify(subject, store, ALICE);
      expect(found.length).toBeLessThan(16);
      expect(new Set(statuses(found))).toEqual(new Set(['invalid']));
    });
  });

  it('says which repository was signed, so that a copy elsewhere is told (cross-repository replay)', async () => {
    const store = await signed(format, alice);
    const elsewhere = unwrap(parseRepository('registry.example.com/other/app'));
    const found = await format.verify(
      { repository: elsewhere, digest: subject.digest },
      store,
      ALICE,
    );
    for (const finding of found.filter((f) => f.status === 'valid')) {
      expect(finding.signed?.repository).toBe(repository);
    }
  });

  it('finds nothing where there is nothing', async () => {
    const found = await format.verify(subject, new MemoryEvidence(), ALICE);
    expect(found).toMatchObject([{ status: 'absent', authority: null, evidence: null }]);
  });

  describe('when the registry', () => {
    it('fails at any call, could not find out: it is neither absent nor trusted (T-13, T-39)', async () => {
      const store = await signed(format, alice);
      const evidence = await evidenceOf(format, store);
      store.calls.length = 0;
      await format.verify(subject, store, ALICE);
      const { length } = store.calls;
      expect(length).toBeGreaterThan(1);
      for (const error of [
        down(),
        new TypeError('broken'),
        new CountersignError('UPSTREAM_INVALID', 'odd'),
      ]) {
        let untrusted = 0;
        for (let failing = 0; failing < length; failing++) {
          const copy = store.copy();
          let failed = '';
          copy.fault = ({ reference }, index) => {
            if (index !== failing) return;
            failed = reference;
            throw error;
          };
          const found = statuses(await format.verify(subject, copy, ALICE));
          // Where there could have been more, what was read and verified counts none the less.
          const stands = failed !== evidence && format.subjectOfTag(failed) === null;
          expect(found).toEqual(stands ? ['valid', 'inconclusive'] : ['inconclusive']);
          if (!stands) untrusted++;
        }
        expect(untrusted).toBeGreaterThan(1);
      }
    });

    it('fails for one signature, still finds the others', async () => {
      const store = await signed(format, alice, mallory);
      const both = [...ALICE, authority('mallory', mallory)];
      const [first] = await format.verify(subject, store, both);
      store.fault = (call) => {
        if (call.reference === first?.evidence) throw down();
      };
      const found = await format.verify(subject, store, both);
      expect(statuses(found)).toContain('inconclusive');
    });

    it('answers other bytes than were asked for, trusts none of them (T-04)', async () => {
      const store = await signed(format, alice);
      const evidence = await evidenceOf(format, store);
      store.blobs.set(evidence, Buffer.alloc(store.blobs.get(evidence)?.byteLength ?? 0, 97));
      for (const trusting of [true, false]) {
        store.trusting = trusting;
        expect(statuses(await format.verify(subject, store, ALICE))).toEqual(['inconclusive']);
      }
    });
  });

  describe('when signing', () => {
    it('does not write the same claim by the same key twice', async () => {
      const store = new MemoryEvidence();
      expect(await format.sign(request, alice, store)).toEqual({ written: true });
      const tags = new Map(store.tags);
      expect(await format.sign(request, alice, store)).toEqual({ written: false });
      expect(store.tags).toEqual(tags);
    });

    it('writes another tag, other annotations, another key, and a renewal', async () => {
      const store = await signed(format, alice);
      const more = [
        { ...request, tag: '1.3' },
        { ...request, tag: null },
        { ...request, annotations: { build: '8' } },
      ];
      for (const one of more)
        expect(await format.sign(one, alice, store)).toEqual({ written: true });
      expect(await format.sign(request, mallory, store)).toEqual({ written: true });
      expect(await format.sign({ ...request, renew: true }, alice, store)).toEqual({
        written: true,
      });
      const valid = (await format.verify(subject, store, ALICE)).filter(
        (f) => f.status === 'valid',
      );
      expect(valid.map((f) => f.signed?.tag)).toEqual(expect.arrayContaining(['1.2', '1.3', null]));
    });

    it('leaves what others wrote byte for byte', async () => {
      const store = await signed(format, mallory);
      const [tag = ''] = store.tags.keys();
      const [, foreign = ''] = /"layers":\[(.*)\]\}$/.exec(store.text(tag)) ?? [];
      expect(foreign).not.toBe('');
      await format.sign(request, alice, store);
      expect(store.text(tag)).toContain(foreign);
    });

    it('does not overwrite what is no signature', async () => {
      const store = await signed(format, alice);
      const [tag = ''] = store.tags.keys();
      store.store(tag, Buffer.from('{"schemaVersion":2}'), MEDIA.ociManifest);
      const before = store.text(tag);
      await expect(format.sign(request, alice, store)).rejects.toMatchObject({
        code: 'ARTIFACT_INVALID',
      });
      expect(store.text(tag)).toBe(before);
    });

    it('counts where a stranger filled all the places that verifiers look at (T-60)', async () => {
      const store = await signed(format, mallory);
      rewrite(format, store, ([junk = {}]) => Array.from({ length: 64 }, () => junk));
      expect(await format.sign(request, alice, store)).toEqual({ written: true });
      expect(statuses(await format.verify(subject, store, ALICE))).toContain('valid');
      expect(await format.sign(request, alice, store)).toEqual({ written: false });
    });

    it('is refused where the manifest has no room for it', async () => {
      const store = await signed(format, mallory);
      rewrite(format, store, ([junk = {}]) => {
        const many = Array.from({ length: 64 }, () => junk);
        const room = LIMITS.manifestBytes - JSON.stringify(many).length - 400;
        return [{ ...junk, 'x-filler': 'x'.repeat(room) }, ...many.slice(1)];
      });
      await expect(format.sign(request, alice, store)).rejects.toMatchObject({ code: 'TOO_LARGE' });
    });

    it('writes nothing with a signer whose halves do not match', async () => {
      const store = new MemoryEvidence();
      const broken = { ...mallory, publicKey: alice.publicKey };
      await expect(format.sign(request, broken, store)).rejects.toMatchObject({
        code: 'KEY_INVALID',
      });
      expect(store.tags.size).toBe(0);
    });

    it('never says done when a call failed', async () => {
      const probe = await signed(format, alice);
      for (let failing = 0; failing < probe.calls.length; failing++) {
        const store = new MemoryEvidence();
        store.fault = (_call, index) => {
          if (index === failing) throw down();
        };
        await expect(format.sign(request, alice, store)).rejects.toMatchObject({
          code: 'UPSTREAM_UNAVAILABLE',
        });
      }
    });

    it('loses none of many signers at once', async () => {
      const signers = Array.from({ length: 6 }, () => testSigner('ed25519'));
      const store = new MemoryEvidence();
      await Promise.all(signers.map(async (signer) => format.sign(request, signer, store)));
      const authorities = signers.map((signer, i) => authority(`s${i}`, signer));
      const found = await format.verify(subject, store, authorities);
      const names = found.filter((f) => f.status === 'valid').map((f) => f.authority);
      expect(new Set(names)).toEqual(new Set(authorities.map((a) => a.name)));
      expect(names).toHaveLength(6);
    });
  });

  describe('as artifact', () => {
    it('is what it wrote itself, under tags that name the subject', async () => {
      const store = await signed(format, alice, mallory);
      expect(store.tags.size).toBeGreaterThan(0);
      for (const [tag, digest] of store.tags) {
        expect(format.subjectOfTag(tag)).toBe(subject.digest);
        const stored = store.manifests.get(digest);
        const manifest = unwrap(
          parseManifest(stored?.bytes ?? new Uint8Array(), stored?.mediaType),
        );
        expect(await format.checkArtifact(tag, manifest, store)).toEqual({ ok: true, value: null });
      }
    });

    it('is no ordinary tag', () => {
      for (const tag of [
        'latest',
        '1.2',
        'sha256-',
        `sha256-${'a'.repeat(63)}.sig`,
        `v-sha256-${'a'.repeat(64)}.sig`,
      ]) {
        expect(format.subjectOfTag(tag)).toBeNull();
      }
    });
  });
});
