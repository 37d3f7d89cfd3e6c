import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/lib/limits.ts';
import { unwrap } from '../../../src/lib/result.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import { MEDIA } from '../../../src/oci/media-types.ts';
import {
  appendLayer,
  firstManifest,
  layerTexts,
  parseSignatureManifest,
  signatureLayer,
  withLayers,
} from '../../../src/trust/cosign/manifest.ts';
import { mergeCosign } from '../../../src/trust/cosign/merge.ts';
import type { MergedArtifact, StoredArtifact } from '../../../src/trust/format.ts';

const stored = (bytes: Uint8Array): StoredArtifact => ({ bytes, mediaType: MEDIA.ociManifest });
const parse = (bytes: Uint8Array) => unwrap(parseSignatureManifest(bytes, MEDIA.ociManifest));
const layerOf = (name: string) => signatureLayer(Buffer.from(`payload ${name}`), Buffer.from(name));

/** The manifest that a signer writes who knows of these signatures. */
function manifestOf(names: readonly string[]): Uint8Array {
  const [first = 'nobody', ...rest] = names;
  return rest.reduce(
    (bytes, name) => appendLayer(bytes, parse(bytes), layerOf(name)).bytes,
    firstManifest(layerOf(first)).bytes,
  );
}
/** Merges where only signatures of these names are known, each a key of its own up to the first digit. */
async function merge(
  standing: Uint8Array | null,
  pushed: Uint8Array,
  known: readonly string[] = [],
): Promise<MergedArtifact> {
  const keys = new Map(known.map((name) => [layerOf(name).digest, name.replace(/\d.*/, '')]));
  const signerOf = async (one: StoredArtifact): Promise<string | null> => {
    const { layers } = parse(one.bytes);
    expect(layers).toHaveLength(1);
    return keys.get(layers[0]?.digest ?? digestOf(Buffer.alloc(0))) ?? null;
  };
  const before = standing === null ? null : stored(standing);
  return unwrap(await mergeCosign(before, stored(pushed), signerOf));
}
const digests = (bytes: Uint8Array): string[] => parse(bytes).layers.map((layer) => layer.digest);

describe('signatures pushed over others', () => {
  it('are put as they are when they contain what stands there', async () => {
    expect(await merge(manifestOf(['a']), manifestOf(['a', 'b']))).toEqual({ kind: 'pushed' });
  });

  it('change nothing when all of them stand there', async () => {
    expect(await merge(manifestOf(['a', 'b']), manifestOf(['b']))).toEqual({ kind: 'stored' });
  });

  it('are joined with what another signer wrote meanwhile, and the config says so', async () => {
    const merged = await merge(manifestOf(['a', 'b']), manifestOf(['a', 'c']));
    if (merged.kind !== 'union') throw new Error(`expected a union, found ${merged.kind}`);
    expect(digests(merged.bytes)).toEqual(['a', 'b', 'c'].map((name) => layerOf(name).digest));
    expect(parse(merged.bytes).config).toMatchObject({
      digest: merged.config.digest,
      size: merged.config.bytes.byteLength,
    });
    expect(digestOf(merged.config.bytes)).toBe(merged.config.digest);
    const config = JSON.parse(Buffer.from(merged.config.bytes).toString()) as {
      rootfs: { diff_ids: string[] };
    };
    expect(config.rootfs.diff_ids).toEqual(digests(merged.bytes));
  });

  it('keep every byte of foreign entries, members that nobody knows included', async () => {
    const odd = Buffer.from(
      Buffer.from(manifestOf(['odd']))
        .toString()
        .replace('"size"', '"x-unknown" : [ {"deep":"]}"} ], "size"'),
    );
    for (const [old, fresh] of [
      [odd, manifestOf(['b'])],
      [manifestOf(['b']), odd],
    ] as const) {
      const merged = await merge(old, fresh);
      if (merged.kind !== 'union') throw new Error(`expected a union, found ${merged.kind}`);
      const text = Buffer.from(merged.bytes).toString();
      for (const part of [old, fresh].flatMap((one) => layerTexts(Buffer.from(one).toString()))) {
        expect(text).toContain(part);
      }
    }
  });

  it('replace what stands there and is no signature manifest', async () => {
    expect(await merge(Buffer.from('{}'), manifestOf(['a']))).toEqual({ kind: 'pushed' });
  });

  it('stand once each, and nothing stands beside them that is none', async () => {
    const [a, b] = [layerOf('a'), layerOf('b')];
    const layer = { ...layerOf('tar'), mediaType: MEDIA.ociLayer };
    const elsewhere = { ...layerOf('urls'), urls: ['https://evil.example/'] };
    const entries = [a, layer, elsewhere, a].map((one) => ({
      layer: one,
      text: JSON.stringify(one),
    }));
    const merged = await merge(withLayers(manifestOf(['a']), entries).bytes, manifestOf(['b']));
    if (merged.kind !== 'union') throw new Error(`expected a union, found ${merged.kind}`);
    expect(digests(merged.bytes)).toEqual([a.digest, b.digest]);
  });

  it('of which there are more than readers look at are cut to the newest', async () => {
    const many = Array.from({ length: LIMITS.signatures }, (_, at) => `n${at}`);
    const merged = await merge(manifestOf(many), manifestOf(['one more']));
    if (merged.kind !== 'union') throw new Error(`expected a union, found ${merged.kind}`);
    const kept = digests(merged.bytes);
    expect(kept).toHaveLength(LIMITS.signatures);
    expect(kept).toContain(layerOf('one more').digest);
    expect(kept).not.toContain(layerOf('n0').digest);
  });

  it('of which there are too many lose none that a known key made, the newest of each key first (T-60)', async () => {
    const junk = Array.from({ length: LIMITS.signatures * 2 }, (_, at) => `junk${at}`);
    const renewals = Array.from({ length: LIMITS.signatures }, (_, at) => `bot${at}`);
    const pushed = manifestOf(['alice', ...junk, ...renewals]);
    for (const standing of [null, manifestOf(['carol', ...junk.slice(0, 63)])]) {
      const known = ['alice', 'carol', ...renewals];
      const merged = await merge(standing, pushed, known);
      if (merged.kind !== 'union') throw new Error(`expected a union, found ${merged.kind}`);
      const kept = digests(merged.bytes);
      expect(kept).toHaveLength(LIMITS.signatures);
      const firsts = ['bot63', 'alice', ...(standing === null ? [] : ['carol'])];
      expect(kept.slice(0, firsts.length)).toEqual(firsts.map((name) => layerOf(name).digest));
      expect(digestOf(merged.config.bytes)).toBe(parse(merged.bytes).config.digest);
    }
  });

  it('survive any amount of junk, wherever it stands', async () => {
    const junk = Array.from({ length: LIMITS.signatures }, (_, at) => `junk${at}`);
    for (const [standing, pushed] of [
      [junk, [...junk, 'good']],
      [['good'], ['good', ...junk]],
      [['good', ...junk.slice(1)], junk],
    ] as const) {
      const merged = await merge(manifestOf(standing), manifestOf(pushed), ['good']);
      if (merged.kind !== 'union') throw new Error(`expected a union, found ${merged.kind}`);
      expect(digests(merged.bytes)[0]).toBe(layerOf('good').digest);
    }
  });

  it('never lose or repeat one, in whatever order signers come', async () => {
    const names = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), { minLength: 1 });
    await fc.assert(
      fc.asyncProperty(fc.array(names, { minLength: 1, maxLength: 6 }), async (pushes) => {
        let end: Uint8Array | null = null;
        for (const push of pushes) {
          const merged: MergedArtifact = await merge(end, manifestOf(push));
          if (merged.kind === 'union') end = merged.bytes;
          if (merged.kind === 'pushed') end = manifestOf(push);
        }
        const expected = new Set(pushes.flat().map((name) => layerOf(name).digest as string));
        expect(digests(end ?? Buffer.alloc(0)).toSorted()).toEqual([...expected].toSorted());
      }),
    );
  });
});
