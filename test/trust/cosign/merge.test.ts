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
} from '../../../src/trust/cosign/manifest.ts';
import { mergeCosign } from '../../../src/trust/cosign/merge.ts';
import type { StoredArtifact } from '../../../src/trust/format.ts';

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
const digests = (bytes: Uint8Array): string[] => parse(bytes).layers.map((layer) => layer.digest);

describe('signatures pushed over others', () => {
  it('are put as they are when they contain what stands there', () => {
    const merged = mergeCosign(stored(manifestOf(['a'])), stored(manifestOf(['a', 'b'])));
    expect(unwrap(merged)).toEqual({ kind: 'pushed' });
  });

  it('change nothing when all of them stand there', () => {
    const merged = mergeCosign(stored(manifestOf(['a', 'b'])), stored(manifestOf(['b'])));
    expect(unwrap(merged)).toEqual({ kind: 'stored' });
  });

  it('are joined with what another signer wrote meanwhile, and the config says so', () => {
    const merged = unwrap(
      mergeCosign(stored(manifestOf(['a', 'b'])), stored(manifestOf(['a', 'c']))),
    );
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

  it('keep every byte of foreign entries, members that nobody knows included', () => {
    const odd = Buffer.from(
      Buffer.from(manifestOf(['odd']))
        .toString()
        .replace('"size"', '"x-unknown" : [ {"deep":"]}"} ], "size"'),
    );
    for (const [old, fresh] of [
      [odd, manifestOf(['b'])],
      [manifestOf(['b']), odd],
    ] as const) {
      const merged = unwrap(mergeCosign(stored(old), stored(fresh)));
      if (merged.kind !== 'union') throw new Error(`expected a union, found ${merged.kind}`);
      const text = Buffer.from(merged.bytes).toString();
      for (const part of [old, fresh].flatMap((one) => layerTexts(Buffer.from(one).toString()))) {
        expect(text).toContain(part);
      }
    }
  });

  it('replace what stands there and is no signature manifest', () => {
    const merged = mergeCosign(stored(Buffer.from('{}')), stored(manifestOf(['a'])));
    expect(unwrap(merged)).toEqual({ kind: 'pushed' });
  });

  it('are refused when they would become more than readers look at', () => {
    const many = Array.from({ length: LIMITS.signatures }, (_, at) => `n${at}`);
    expect(mergeCosign(stored(manifestOf(many)), stored(manifestOf(['one more'])))).toMatchObject({
      ok: false,
      refusal: { code: 'ARTIFACT_INVALID' },
    });
  });

  it('never lose or repeat one, in whatever order signers come', () => {
    const names = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), { minLength: 1 });
    fc.assert(
      fc.property(fc.array(names, { minLength: 1, maxLength: 6 }), (pushes) => {
        const end = pushes.reduce<Uint8Array | null>((standing, push) => {
          if (standing === null) return manifestOf(push);
          const merged = unwrap(mergeCosign(stored(standing), stored(manifestOf(push))));
          if (merged.kind === 'union') return merged.bytes;
          return merged.kind === 'stored' ? standing : manifestOf(push);
        }, null);
        const expected = new Set(pushes.flat().map((name) => layerOf(name).digest as string));
        expect(digests(end ?? Buffer.alloc(0)).toSorted()).toEqual([...expected].toSorted());
      }),
    );
  });
});
