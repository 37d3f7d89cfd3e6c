import { describe, expect, it } from 'vitest';
import { ManifestCache } from '../../../src/gate/content/manifests.ts';
import { MEDIA } from '../../../src/oci/media-types.ts';
import { digestFor, repo } from '../../support/store.ts';

const manifest = (name: string, size = 100) => ({
  bytes: Buffer.alloc(size),
  mediaType: MEDIA.ociManifest,
  digest: digestFor(name),
});

describe('remembered manifests', () => {
  it('T-53, T-54: belong to one repository', () => {
    const cache = new ManifestCache(() => new Date(0));
    cache.set(repo('a'), manifest('m'));
    expect(cache.get(repo('a'), digestFor('m'))).toBeDefined();
    expect(cache.get(repo('b'), digestFor('m'), Infinity)).toBeUndefined();
    cache.set(repo('b'), manifest('m'));
    cache.delete(repo('a'), digestFor('m'));
    expect(cache.get(repo('a'), digestFor('m'), Infinity)).toBeUndefined();
    expect(cache.get(repo('b'), digestFor('m'))).toBeDefined();
  });

  it('are fresh for a minute, and old ones are for those only who ask for them', () => {
    let now = 0;
    const cache = new ManifestCache(() => new Date(now));
    cache.set(repo('a'), manifest('m'));
    now = 59_999;
    expect(cache.get(repo('a'), digestFor('m'))).toBeDefined();
    now = 60_000;
    expect(cache.get(repo('a'), digestFor('m'))).toBeUndefined();
    expect(cache.get(repo('a'), digestFor('m'), Infinity)).toBeDefined();
  });

  it('keep no more alive than their own bytes', () => {
    const cache = new ManifestCache(() => new Date(0));
    const chunk = Buffer.alloc(64 * 1024, 1);
    cache.set(repo('a'), { ...manifest('m'), bytes: chunk.subarray(10, 20) });
    const kept = cache.get(repo('a'), digestFor('m'))?.bytes;
    expect(kept).toEqual(chunk.subarray(10, 20));
    expect(kept?.buffer.byteLength).toBe(10);
  });

  it('T-53: that were deleted while they were on the way are not kept', () => {
    const cache = new ManifestCache(() => new Date(0));
    const before = cache.epoch(repo('a'), digestFor('m'));
    cache.delete(repo('a'), digestFor('m'));
    cache.set(repo('a'), manifest('m'), before);
    expect(cache.get(repo('a'), digestFor('m'), Infinity)).toBeUndefined();
    cache.set(repo('a'), manifest('m'), cache.epoch(repo('a'), digestFor('m')));
    expect(cache.get(repo('a'), digestFor('m'))).toBeDefined();
  });

  it('are bounded by bytes', () => {
    const cache = new ManifestCache(() => new Date(0));
    const names = Array.from({ length: 40 }, (_, n) => `m${n}`);
    for (const name of names) cache.set(repo('a'), manifest(name, 4 * 1024 * 1024));
    const kept = names.filter((name) => cache.get(repo('a'), digestFor(name)) !== undefined);
    expect(kept.length).toBe(11);
    expect(kept.at(-1)).toBe('m39');
  });
});
