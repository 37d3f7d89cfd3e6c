import { describe, expect, it } from 'vitest';
import { unwrap } from '../../src/lib/result.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { MEDIA } from '../../src/oci/media-types.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import { FORMATS } from '../../src/trust/formats.ts';
import type { SignedImage } from '../../src/trust/sign.ts';
import { signImage } from '../../src/trust/sign.ts';
import { MemoryEvidence } from '../support/evidence.ts';
import { testSigner } from '../support/signer.ts';

const repository = unwrap(parseRepository('registry.example.com/app'));
const signer = testSigner();
const config = { mediaType: MEDIA.ociConfig, size: 2, digest: digestOf(Buffer.from('{}')) };

function image(
  store: MemoryEvidence,
  name: string,
): { digest: Digest; mediaType: string; size: number } {
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA.ociManifest,
      config,
      layers: [],
      annotations: { name },
    }),
  );
  const digest = store.store(digestOf(bytes), bytes, MEDIA.ociManifest);
  return { digest, mediaType: MEDIA.ociManifest, size: bytes.byteLength };
}

function index(
  store: MemoryEvidence,
  manifests: readonly object[],
): { digest: Digest; mediaType: string; size: number } {
  const bytes = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests }),
  );
  const digest = store.store(digestOf(bytes), bytes, MEDIA.ociIndex);
  return { digest, mediaType: MEDIA.ociIndex, size: bytes.byteLength };
}

async function sign(
  store: MemoryEvidence,
  digest: Digest,
  recursive = true,
): Promise<readonly SignedImage[]> {
  return signImage({
    subject: { repository, digest },
    tag: '1',
    signer,
    formats: FORMATS,
    annotations: {},
    sink: store,
    recursive,
  });
}

async function trusted(store: MemoryEvidence, digest: Digest): Promise<boolean> {
  const keys = [{ name: 'me', keys: [signer.publicKey] }];
  const found = await Promise.all(
    FORMATS.map((f) => f.verify({ repository, digest }, store, keys)),
  );
  return found.flat().some((f) => f.status === 'valid' && f.signed?.tag === '1');
}

describe('signing an image', () => {
  it('signs it once, and says so', async () => {
    const store = new MemoryEvidence();
    const { digest } = image(store, 'a');
    expect(await sign(store, digest)).toEqual([{ digest, format: 'cosign', written: true }]);
    expect(await sign(store, digest)).toEqual([{ digest, format: 'cosign', written: false }]);
    expect(await trusted(store, digest)).toBe(true);
  });

  it('signs an index after all that it contains, each once', async () => {
    const store = new MemoryEvidence();
    const [a, b, c] = [image(store, 'a'), image(store, 'b'), image(store, 'c')];
    const inner = index(store, [a, b]);
    const outer = index(store, [a, inner, c]);
    const order = (await sign(store, outer.digest)).map((s) => s.digest);
    expect(order.toSorted()).toEqual([a, b, c, inner, outer].map((d) => d.digest).toSorted());
    const after = (x: Digest, y: Digest): boolean => order.indexOf(x) > order.indexOf(y);
    expect(after(inner.digest, a.digest) && after(inner.digest, b.digest)).toBe(true);
    expect(order.at(-1)).toBe(outer.digest);
    for (const digest of order) expect(await trusted(store, digest)).toBe(true);
  });

  it('never leaves a signed index with an unsigned child, whichever call fails', async () => {
    const probe = new MemoryEvidence();
    const build = (store: MemoryEvidence): { a: Digest; inner: Digest; outer: Digest } => {
      const a = image(store, 'a');
      const inner = index(store, [a]);
      return {
        a: a.digest,
        inner: inner.digest,
        outer: index(store, [inner, image(store, 'b')]).digest,
      };
    };
    await sign(probe, build(probe).outer);
    for (let failing = 0; failing < probe.calls.length; failing++) {
      const store = new MemoryEvidence();
      const { a, inner, outer } = build(store);
      store.fault = (_call, at) => {
        if (at === failing) throw new Error('gone');
      };
      await sign(store, outer).catch(() => undefined);
      store.fault = () => undefined;
      // Where a parent is trusted, so is its child.
      const [top, middle, leaf] = await Promise.all(
        [outer, inner, a].map((d) => trusted(store, d)),
      );
      expect([!top || middle, !middle || leaf]).toEqual([true, true]);
      await sign(store, outer);
      expect(await trusted(store, outer)).toBe(true);
    }
  });

  it('signs only what was named when told so', async () => {
    const store = new MemoryEvidence();
    const a = image(store, 'a');
    const { digest } = index(store, [a]);
    expect(await sign(store, digest, false)).toHaveLength(1);
    expect(await trusted(store, a.digest)).toBe(false);
  });

  it('refuses an index with a child that is not there, and signs nothing', async () => {
    const store = new MemoryEvidence();
    const missing = index(new MemoryEvidence(), []);
    const { digest } = index(store, [image(store, 'a'), missing]);
    await expect(sign(store, digest)).rejects.toMatchObject({ code: 'MANIFEST_UNKNOWN' });
    expect(store.tags.size).toBe(0);
  });

  it('refuses an index that is nested too deep, or too wide (T-69)', async () => {
    const store = new MemoryEvidence();
    let deep = image(store, 'a');
    for (let depth = 0; depth < 5; depth++) deep = index(store, [deep]);
    expect(await sign(store, deep.digest)).toHaveLength(6);
    await expect(sign(store, index(store, [deep]).digest)).rejects.toMatchObject({
      code: 'MANIFEST_INVALID',
    });
    const halves = [0, 1].map((half) =>
      index(
        store,
        Array.from({ length: 501 }, (_, i) => ({
          ...config,
          mediaType: MEDIA.ociManifest,
          digest: digestOf(Buffer.from(`${half} ${i}`)),
        })),
      ),
    );
    await expect(sign(store, index(store, halves).digest)).rejects.toMatchObject({
      code: 'MANIFEST_INVALID',
    });
  });
});
