import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/lib/limits.ts';
import { essence, parseManifest } from '../../src/oci/manifest.ts';
import { MEDIA } from '../../src/oci/media-types.ts';

const digest = `sha256:${'ab'.repeat(32)}`;
const layer = { mediaType: MEDIA.ociLayerGzip, digest, size: 7 };
const image = {
  schemaVersion: 2,
  mediaType: MEDIA.ociManifest,
  config: { mediaType: MEDIA.ociConfig, digest, size: 2 },
  layers: [layer],
};
const index = {
  schemaVersion: 2,
  mediaType: MEDIA.ociIndex,
  manifests: [{ mediaType: MEDIA.ociManifest, digest, size: 9, platform: { os: 'linux' } }],
};

const bytesOf = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

/** The parsed manifest, or the code and message of the refusal. */
function parse(value: unknown, contentType?: string, most?: number): unknown {
  const parsed = parseManifest(bytesOf(value), contentType, most);
  return parsed.ok ? parsed.value : `${parsed.refusal.code}: ${parsed.refusal.message}`;
}

describe('a manifest', () => {
  it('is read with everything that it says of its content', () => {
    const subject = { mediaType: MEDIA.ociManifest, digest, size: 3 };
    const annotations = { 'org.opencontainers.image.title': 'app' };
    const more = { artifactType: 'application/spdx+json', subject, annotations };
    const { schemaVersion: _, ...rest } = { ...image, ...more };
    expect(parse({ ...image, ...more })).toEqual({ kind: 'image', ...rest });
    const { manifests } = index;
    expect(parse(index)).toEqual({ kind: 'index', mediaType: MEDIA.ociIndex, manifests });
  });

  it.each([
    [MEDIA.ociManifest, image, 'image'],
    [MEDIA.dockerManifest, image, 'image'],
    [MEDIA.ociIndex, index, 'index'],
    [MEDIA.dockerList, index, 'index'],
  ])('of type %s says so inside, outside or in both places', (mediaType, body, kind) => {
    const { mediaType: _, ...untyped } = body;
    const typed = { ...body, mediaType };
    for (const [value, contentType] of [
      [typed, undefined],
      [typed, mediaType],
      [untyped, mediaType],
      [untyped, `${mediaType.toUpperCase()} ; charset=utf-8`],
    ] as const) {
      expect(parse(value, contentType)).toMatchObject({ kind, mediaType });
    }
  });

  it('without any type is what its shape says', () => {
    const { mediaType: _i, ...untypedImage } = image;
    const { mediaType: _x, ...untypedIndex } = index;
    expect(parse(untypedImage)).toMatchObject({ kind: 'image', mediaType: MEDIA.ociManifest });
    expect(parse(untypedIndex)).toMatchObject({ kind: 'index', mediaType: MEDIA.ociIndex });
  });

  it.each<[string, unknown, string | undefined]>([
    ['an image with an index beside it', { ...image, manifests: [] }, undefined],
    ['an image with an index that is null', { ...image, manifests: null }, undefined],
    ['an index with layers beside it', { ...index, layers: [] }, undefined],
    ['an index with a config beside it', { ...index, config: image.config }, undefined],
    ['both of no type', { ...image, ...index, mediaType: undefined }, undefined],
    ['an image sent as an index', image, MEDIA.ociIndex],
    ['an image sent as the other family’s', image, MEDIA.dockerManifest],
    ['an index sent as an image', index, MEDIA.ociManifest],
    [
      'an image that only the sender calls an index',
      { ...image, mediaType: undefined },
      MEDIA.ociIndex,
    ],
    ['something sent as JSON', { ...image, mediaType: undefined }, 'application/json'],
    ['something sent as nothing', { ...image, mediaType: undefined }, ''],
    ['a type that is no manifest', { ...image, mediaType: MEDIA.ociConfig }, undefined],
    ['a type that is no text', { ...image, mediaType: 2 }, undefined],
    ['a type in capitals', { ...image, mediaType: MEDIA.ociManifest.toUpperCase() }, undefined],
    ['schema 1', { schemaVersion: 1, name: 'a', tag: 'b', fsLayers: [], history: [] }, undefined],
    ['a schema version that is text', { ...image, schemaVersion: '2' }, undefined],
    ['no schema version', { ...image, schemaVersion: undefined }, undefined],
    ['a list', [image], undefined],
    ['nothing', null, undefined],
  ])('T-37: is not %s', (_what, value, contentType) => {
    expect(parse(value, contentType)).toMatch(/^MANIFEST_INVALID: /);
  });

  it.each([
    ['a key twice', JSON.stringify(image).replace('{', '{"layers":[],')],
    ['a key twice, once escaped', JSON.stringify(image).replace('{', '{"\\u006cayers":[],')],
    ['bytes behind it', `${JSON.stringify(image)}{}`],
    ['a byte-order mark', `\ufeff${JSON.stringify(image)}`],
    ['a comment', `${JSON.stringify(image)}//`],
  ])('T-37: is not JSON that two readers see differently: %s', (_what, text) => {
    const parsed = parseManifest(Buffer.from(text));
    expect(parsed).toMatchObject({ ok: false, refusal: { code: 'MANIFEST_INVALID' } });
  });

  it.each([
    'SchemaVersion',
    'MediaType',
    'ARTIFACTTYPE',
    'Config',
    'Layers',
    'layer\u017f',
    'Manifests',
    'manife\u017ft\u017f',
    'Subject',
    'ANNOTATIONS',
    'FSLayers',
    'fslayers',
    'Signatures',
  ])('T-37: has no member %j, which Go reads as the one it resembles', (name) => {
    expect(parse({ ...image, [name]: [] })).toContain('in its own spelling');
    expect(parse({ ...index, [name]: [] })).toContain('in its own spelling');
  });

  it.each(['Digest', 'dige\u017ft', 'Size', 'MEDIATYPE', 'Urls', 'DATA', 'Platform'])(
    'T-37: has no descriptor with a member %j, wherever it stands',
    (name) => {
      const odd = { ...layer, [name]: digest };
      for (const value of [
        { ...image, config: odd },
        { ...image, layers: [layer, odd] },
        { ...image, subject: odd },
        { ...index, manifests: [odd] },
      ]) {
        expect(parse(value)).toContain('in its own spelling');
      }
    },
  );

  it('keeps members that nobody takes for another', () => {
    expect(parse({ ...image, 'x-layers': [], Layer: 1, __proto__x: 2 })).toMatchObject({
      layers: [layer],
    });
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['a text', digest],
    ['a list', [layer]],
    ['no digest', { ...layer, digest: undefined }],
    ['a digest that is a path', { ...layer, digest: 'sha256:../../etc/passwd' }],
    ['a digest in capitals', { ...layer, digest: digest.toUpperCase() }],
    ['a digest of a broken hash', { ...layer, digest: `sha1:${'a'.repeat(40)}` }],
    ['no size', { ...layer, size: undefined }],
    ['a size below nothing', { ...layer, size: -1 }],
    ['half a byte', { ...layer, size: 0.5 }],
    ['a size that no double holds', { ...layer, size: 2 ** 53 }],
    ['a size that is text', { ...layer, size: '7' }],
    ['no type', { ...layer, mediaType: undefined }],
    ['a type without end', { ...layer, mediaType: `a/${'b'.repeat(255)}` }],
    ['an artifact type that is none', { ...layer, artifactType: 1 }],
    ['a platform that is text', { ...layer, platform: 'linux/amd64' }],
    ['one URL that is none', { ...layer, urls: ['https://example.com', 1] }],
    ['annotations that are no texts', { ...layer, annotations: { a: 1 } }],
    ['annotations that are a list', { ...layer, annotations: ['a'] }],
  ])('T-38: has no descriptor that is %s', (_what, odd) => {
    expect(parse({ ...image, config: odd })).toMatch(/^MANIFEST_INVALID: .*config/);
    expect(parse({ ...image, layers: [layer, odd ?? null] })).toMatch(/layers\[1\]/);
    expect(parse({ ...index, manifests: [odd ?? null] })).toMatch(/manifests\[0\]/);
    if (odd !== undefined) expect(parse({ ...image, subject: odd })).toMatch(/subject/);
  });

  it('takes annotations that are null as none, as Go does', () => {
    const body = { ...image, annotations: null, layers: [{ ...layer, annotations: null }] };
    expect(parse(body)).toEqual(parse(image));
  });

  it('has no more descriptors than are asked for, and never more than the bound', () => {
    const of = (count: number): unknown => ({ ...index, manifests: Array(count).fill(layer) });
    expect(parse(of(3), undefined, 3)).toMatchObject({ kind: 'index' });
    expect(parse(of(4), undefined, 3)).toContain('at most 3 entries in "manifests", found 4');
    expect(parse({ ...image, layers: Array(4).fill(layer) }, undefined, 3)).toContain('"layers"');
    expect(parse(of(LIMITS.descriptors + 1))).toContain(`at most ${LIMITS.descriptors} entries`);
  });

  it('is no longer than the bound, by one byte', () => {
    const padded = (length: number): Uint8Array =>
      Buffer.from(JSON.stringify(image).padEnd(length, ' '));
    expect(parseManifest(padded(LIMITS.manifestBytes))).toMatchObject({ ok: true });
    expect(parseManifest(padded(LIMITS.manifestBytes + 1))).toMatchObject({
      ok: false,
      refusal: { code: 'MANIFEST_TOO_LARGE' },
    });
  });

  it('that is read names only strict digests, each one that stands in the bytes', () => {
    const text = fc.string({ maxLength: 8 });
    const size = fc.oneof({ weight: 6, arbitrary: fc.nat() }, fc.integer(), fc.double(), text);
    const hex = fc.stringMatching(/^[0-9a-f]{64}$/);
    const name = fc.oneof(
      { weight: 6, arbitrary: hex.map((it) => `sha256:${it}`) },
      text.map((it) => `sha256:${it}`),
    );
    const part = fc.record({ mediaType: fc.constant(MEDIA.ociManifest), digest: name, size });
    const body = fc.record(
      {
        schemaVersion: fc.constantFrom<unknown>(2, 2, 2, 2, 2, 1),
        mediaType: fc.constantFrom(MEDIA.ociManifest, MEDIA.ociIndex, MEDIA.ociConfig),
        config: part,
        layers: fc.array(part, { maxLength: 2 }),
        manifests: fc.array(part, { maxLength: 2 }),
        subject: part,
      },
      { requiredKeys: ['schemaVersion'] },
    );
    let read = 0;
    fc.assert(
      fc.property(body, (value) => {
        const parsed = parseManifest(bytesOf(value));
        if (!parsed.ok) return;
        read++;
        const it = parsed.value;
        expect('manifests' in value).toBe(it.kind === 'index');
        expect('layers' in value).toBe(it.kind === 'image');
        const listed = it.kind === 'index' ? it.manifests : [it.config, ...it.layers];
        for (const one of [...listed, ...(it.subject === undefined ? [] : [it.subject])]) {
          expect(one.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
          expect(Number.isSafeInteger(one.size) && one.size >= 0).toBe(true);
          expect(JSON.stringify(value)).toContain(one.digest);
        }
      }),
      { numRuns: 2000 },
    );
    expect(read).toBeGreaterThan(5);
  });

  it('of any bytes is read or refused in few words, and never throws', () => {
    let longest = 0;
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((text) => Buffer.from(text)),
        ),
        (bytes) => {
          const parsed = parseManifest(bytes);
          if (!parsed.ok) longest = Math.max(longest, parsed.refusal.message.length);
        },
      ),
    );
    expect(longest).toBeGreaterThan(0);
    expect(longest).toBeLessThan(500);
  });
});

describe('the essence of a Content-Type', () => {
  it.each([
    ['Application/JSON; charset=utf-8', 'application/json'],
    ['  text/plain  ', 'text/plain'],
    [';', ''],
    ['', ''],
  ])('%j is %j', (header, expected) => {
    expect(essence(header)).toBe(expected);
  });
});
