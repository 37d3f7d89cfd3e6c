import { describe, expect, it } from 'vitest';
import { unwrap } from '../../../src/lib/result.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import { MEDIA } from '../../../src/oci/media-types.ts';
import {
  appendLayer,
  firstManifest,
  parseSignatureManifest,
  signatureLayer,
} from '../../../src/trust/cosign/manifest.ts';

const layer = signatureLayer(Buffer.from('payload'), Buffer.from('signature'));
const parse = (bytes: Uint8Array): ReturnType<typeof parseSignatureManifest> =>
  parseSignatureManifest(bytes, MEDIA.ociManifest);
const append = (text: string): string => {
  const bytes = Buffer.from(text);
  return Buffer.from(appendLayer(bytes, unwrap(parse(bytes)), layer).bytes).toString();
};

describe('a new signature manifest', () => {
  it('has the shape that cosign writes', () => {
    const made = firstManifest(layer);
    expect(JSON.parse(Buffer.from(made.bytes).toString())).toEqual({
      schemaVersion: 2,
      mediaType: MEDIA.ociManifest,
      config: {
        mediaType: MEDIA.ociConfig,
        size: made.config.bytes.byteLength,
        digest: made.config.digest,
      },
      layers: [
        {
          mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json',
          size: 7,
          digest: digestOf(Buffer.from('payload')),
          annotations: { 'dev.cosignproject.cosign/signature': 'c2lnbmF0dXJl' },
        },
      ],
    });
    expect(digestOf(made.config.bytes)).toBe(made.config.digest);
    expect(JSON.parse(Buffer.from(made.config.bytes).toString())).toMatchObject({
      rootfs: { type: 'layers', diff_ids: [layer.digest] },
      history: [{}],
    });
  });
});

describe('a layer that is added', () => {
  // Numbers, escapes, key order and unknown members that no JSON library would write back unchanged.
  const foreign = `{"zeta":1.0,"mediaType":"application/vnd.dev.cosign.simplesigning.v1+json","size":3e0,"10":"b","9":"a","digest":"sha256:${'0'.repeat(64)}","annotations":{"quote":"\\"]},{\\\\","\\u0061":"\\u003c"},"data":null}`;
  const config = `{"mediaType": "${MEDIA.ociConfig}", "size": 2, "digest": "sha256:${'1'.repeat(64)}"}`;

  it('leaves every byte of foreign descriptors and unknown members as it was', () => {
    const before = `{ "x" : ["layers", {"layers": []}],"layers" :\n [ ${foreign} ], "schemaVersion":2,"config": ${config} , "annotations":{"a":"}]"} }\n`;
    const after = append(before);
    const added = JSON.stringify(layer);
    const spliced = before.replace(`${foreign} ]`, `${foreign} ,${added}]`);
    const written = /"config": (\{.*?\}) ,/.exec(after)?.[1] ?? '';
    expect(after).toBe(spliced.replace(config, written));
    expect(unwrap(parse(Buffer.from(after))).layers).toHaveLength(2);
  });

  it('may be the first of an emptied manifest', () => {
    const after = append(`{"config":${config},"schemaVersion":2,"layers":[]}`);
    expect(unwrap(parse(Buffer.from(after))).layers).toEqual([layer]);
  });

  it('is named in the config, after those that were there', () => {
    const one = firstManifest(layer);
    const other = signatureLayer(Buffer.from('other'), Buffer.from('s'));
    const two = appendLayer(one.bytes, unwrap(parse(one.bytes)), other);
    const read = unwrap(parse(two.bytes));
    expect(read.config.digest).toBe(two.config.digest);
    expect(JSON.parse(Buffer.from(two.config.bytes).toString())).toMatchObject({
      rootfs: { diff_ids: [layer.digest, other.digest] },
    });
  });

  it('is added although a member has a long string', () => {
    const long = 'y\\n'.repeat(500_000);
    const after = append(`{"note":"${long}","config":${config},"schemaVersion":2,"layers":[]}`);
    expect(unwrap(parse(Buffer.from(after))).layers).toEqual([layer]);
  });
});

describe('a manifest that holds no signatures', () => {
  it.each([
    ['an index', { mediaType: MEDIA.ociIndex, manifests: [] }, MEDIA.ociIndex],
    [
      'of docker’s type',
      { mediaType: MEDIA.dockerManifest, config: layer, layers: [] },
      MEDIA.dockerManifest,
    ],
    [
      'of two types',
      { mediaType: MEDIA.ociManifest, config: layer, layers: [], manifests: [] },
      MEDIA.ociManifest,
    ],
    [
      'with a Content-Type of its own',
      { mediaType: MEDIA.ociManifest, config: layer, layers: [] },
      MEDIA.dockerManifest,
    ],
  ])('%s is refused', (_name, value, type) => {
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, ...value }));
    expect(parseSignatureManifest(bytes, type).ok).toBe(false);
  });
});
