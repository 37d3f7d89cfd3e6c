import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { changedImages, imagesOf } from '../../src/admission/images.ts';
import type { ImageUse } from '../../src/admission/images.ts';
import type { Json, JsonObject } from '../../src/lib/json.ts';
import { unwrap } from '../../src/lib/result.ts';
import { container } from '../support/admission.ts';

const read = (spec: JsonObject): readonly ImageUse[] => unwrap(imagesOf(spec, '/spec'));
const pointers = (spec: JsonObject): readonly string[] => read(spec).map((use) => use.pointer);

describe('the images of a pod spec', () => {
  it('T-42, T-43, T-44: are those of all containers of any kind and of image volumes', () => {
    const uses = read({
      containers: [container('a:1', 'one'), container('b:1', 'two')],
      initContainers: [{ ...container('c:1', 'sidecar'), restartPolicy: 'Always' }],
      ephemeralContainers: [{ ...container('d:1', 'debug'), targetContainerName: 'one' }],
      volumes: [
        { name: 'scratch', emptyDir: {} },
        { name: 'disk', rbd: { image: 'a-disk', monitors: [] } },
        { name: 'models', image: { reference: 'e:1', pullPolicy: 'Always' } },
      ],
    });
    expect(uses.map(({ pointer, label, image }) => [pointer, label, image])).toEqual([
      ['/spec/initContainers/0/image', 'initContainer sidecar', 'c:1'],
      ['/spec/containers/0/image', 'container one', 'a:1'],
      ['/spec/containers/1/image', 'container two', 'b:1'],
      ['/spec/ephemeralContainers/0/image', 'ephemeralContainer debug', 'd:1'],
      ['/spec/volumes/2/image/reference', 'volume models', 'e:1'],
    ]);
  });

  it('are also those that are not named, which nothing may pass by', () => {
    expect(
      read({ containers: [{ name: 'a' }, { image: '' }, { name: 'b', image: null }] }),
    ).toEqual(
      ['container a', 'container (unnamed)', 'container b'].map((label, n) => ({
        pointer: `/spec/containers/${n}/image`,
        slot: n === 1 ? null : `containers\n${label.split(' ')[1]}`,
        label,
        image: null,
      })),
    );
    expect(pointers({ volumes: [{ name: 'm', image: {} }] })).toHaveLength(1);
  });

  it.each<[string, JsonObject]>([
    ['containers that are no list', { containers: { 0: container('a') } }],
    ['a container that is no object', { containers: ['a'] }],
    ['an image that is no text', { containers: [{ name: 'a', image: ['a'] }] }],
    ['volumes that are no list', { volumes: 'a' }],
    ['an image volume that is no object', { volumes: [{ name: 'm', image: 'a' }] }],
    ['a reference that is no text', { volumes: [{ name: 'm', image: { reference: 5 } }] }],
    ['a list of containers that is not known', { lateContainers: [container('a')] }],
    ['a list of containers deep in what is not known', { next: { x: [[{ y: container('a') }]] } }],
    ['a list of containers in another case', { Containers: [container('a')] }],
    ['an image under another name', { containers: [{ ...container('a'), imageOverride: 'b' }] }],
    ['a volume of a kind that is not known', { volumes: [{ name: 'm', layer: { image: 'a' } }] }],
    ['an image in a field of the spec', { baseImage: 'a' }],
  ])('T-44: are refused where they might hide: %s', (_, spec) => {
    expect(imagesOf(spec, '/spec')).toMatchObject({ ok: false });
  });

  it('are not looked for in labels, options and what else Kubernetes names freely', () => {
    const spec = {
      containers: [{ ...container('a'), env: [{ name: 'IMAGE', value: 'b' }] }],
      nodeSelector: { image: 'gpu' },
      affinity: { nodeAffinity: { image: 'x' } },
      volumes: [{ name: 'c', csi: { driver: 'd', volumeAttributes: { image: 'no concern' } } }],
      aNewFlag: true,
    };
    expect(pointers(spec)).toEqual(['/spec/containers/0/image']);
  });

  it('T-48: have changed where the same entry of the same list named another one before', () => {
    const changed = (now: JsonObject, before: JsonObject): readonly string[] =>
      changedImages(read(now), read(before)).map((use) => use.pointer);
    const before = { containers: [container('a', 'one'), container('b', 'two')] };
    const list = (...entries: readonly JsonObject[]): JsonObject => ({ containers: entries });
    expect(changed(before, before)).toEqual([]);
    expect(changed(list(container('b', 'two'), container('a', 'one')), before)).toEqual([]);
    expect(changed(list(container('a', 'one'), container('c', 'two')), before)).toEqual([
      '/spec/containers/1/image',
    ]);
    // The same image in another container, or in another list, is new there.
    expect(changed(list(container('b', 'one'), container('a', 'two')), before)).toHaveLength(2);
    expect(changed({ initContainers: [container('a', 'one')] }, before)).toHaveLength(1);
    expect(changed({ ephemeralContainers: [container('a', 'one')] }, before)).toHaveLength(1);
    expect(changed({ volumes: [{ name: 'one', image: { reference: 'a' } }] }, before)).toHaveLength(
      1,
    );
    // Entries that cannot be told apart match nothing.
    const twice = list(container('a', 'one'), container('b', 'one'));
    expect(changed(twice, twice)).toHaveLength(2);
    expect(changed(list({ image: 'a' }), list({ image: 'a' }))).toHaveLength(1);
  });

  it('are all that a walk through the whole spec finds, or the spec is refused', () => {
    const name = fc.constantFrom('a', 'b', 'app', 'image', '');
    const image = fc.constantFrom('a', 'b:1', 'host/c@sha256:0', '');
    const entry = fc.record(
      { name, image, env: fc.constant([{ name: 'X', value: 'y' }]) },
      { requiredKeys: [] },
    );
    const volume = fc.oneof(
      fc.record({ name, image: fc.record({ reference: image }) }),
      fc.record({ name, emptyDir: fc.constant({}) }),
      fc.record({ name, later: fc.record({ inner: fc.record({ image }) }) }),
    );
    const field = fc.oneof(
      fc.constantFrom('moreContainers', 'containersV2', 'restartPolicy2', 'IMAGE', 'x'),
      fc.string(),
    );
    const spec = fc
      .record(
        {
          containers: fc.array(entry),
          initContainers: fc.array(entry),
          ephemeralContainers: fc.array(entry),
          volumes: fc.array(volume),
        },
        { requiredKeys: [] },
      )
      .chain((known) =>
        fc
          .dictionary(field, fc.oneof(fc.array(entry), fc.jsonValue() as fc.Arbitrary<Json>), {
            maxKeys: 2,
          })
          .map((extra): JsonObject => ({ ...extra, ...known }) as JsonObject),
      );
    let accepted = 0;
    let refused = 0;
    fc.assert(
      fc.property(spec, (made) => {
        const uses = imagesOf(made, '');
        if (!uses.ok) {
          refused++;
          return;
        }
        accepted++;
        const named = new Set(uses.value.map((use) => use.pointer));
        for (const found of walk(made, '')) expect(named).toContain(found);
      }),
      { numRuns: 2000 },
    );
    expect(Math.min(accepted, refused)).toBeGreaterThan(100);
  });
});

/** Every path at which anything called an image is written, whatever holds it: knows nothing of pods. */
function walk(value: Json, at: string): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((item: Json, n) => walk(item, `${at}/${n}`));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, member]: [string, Json]) => {
    const path = `${at}/${key}`;
    if (!/image/i.test(key)) return walk(member, path);
    return typeof member === 'object' && member !== null ? [`${path}/reference`] : [path];
  });
}
