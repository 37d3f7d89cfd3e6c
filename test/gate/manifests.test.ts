import { describe, expect, it } from 'vitest';
import { ManifestCache } from '../../src/gate/manifests.ts';
import { MEDIA } from '../../src/oci/media-types.ts';
import { digestFor, repo } from '../support/store.ts';

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
    expect(cache.get(repo('b'), digestFor('m'), true)).toBeUndefined();
    cache.set(repo('b'), manifest('m'));
    cache.delete(repo('a'), digestFor('m'));
    expect(cache.get(repo('a'), digestFor('m'), true)).toBeUndefined();
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
    expect(cache.get(repo('a'), digestFor('m'), true)).toBeDefined();
  });

  it('are bounded by bytes', () => {
    const cache = new ManifestCache(() => new Date(0));
    const names = Array.from({ length: 40 }, (_, n) => `m${n}`);
    for (const name of names) cache.set(repo('a'), manifest(name, 4 * 1024 * 1024));
    const kept = names.filter((name) => cache.get(repo('a'), digestFor(name)) !== undefined);
    expect(kept.length).toBeGreaterThan(10);
    expect(kept.length).toBeLessThanOrEqual(16);
    expect(kept.at(-1)).toBe('m39');
  });
});
