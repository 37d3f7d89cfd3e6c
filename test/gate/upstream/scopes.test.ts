import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tokenExpiry } from '../../../src/gate/access/caller.ts';
import { readsBlob, scopesOf } from '../../../src/gate/upstream/scopes.ts';

const D = `sha256:${'a'.repeat(64)}`;

describe('the scopes of a request', () => {
  it.each([
    ['GET', '/v2/a/b/manifests/1', ['repository:a/b:pull']],
    ['HEAD', `/v2/a/blobs/${D}`, ['repository:a:pull']],
    ['GET', '/v2/a/tags/list?n=5', ['repository:a:pull']],
    ['GET', `/v2/a/referrers/${D}?p=2`, ['repository:a:pull']],
    ['PUT', '/v2/a/manifests/1', ['repository:a:pull,push']],
    ['DELETE', `/v2/a/manifests/${D}`, ['repository:a:pull,delete']],
    ['GET', '/v2/a/blobs/uploads/1', ['repository:a:pull,push']],
    [
      'POST',
      `/v2/a/blobs/uploads/?mount=${D}&from=b/c`,
      ['repository:a:pull,push', 'repository:b/c:pull'],
    ],
    // Components that look like an endpoint: the name is matched from the right.
    ['PATCH', '/v2/a/blobs/uploads/blobs/uploads/1', ['repository:a/blobs/uploads:pull,push']],
    ['GET', '/v2/manifests/tags/list', ['repository:manifests:pull']],
    ['GET', '/v2/_catalog?n=1', ['registry:catalog:*']],
    ['GET', '/v2/', []],
  ])('of %s %s are %j', (method, target, scopes) => {
    expect(scopesOf(method, target)).toEqual(scopes);
  });

  it('are a blob’s only where a digest is read', () => {
    expect(readsBlob('GET', `/v2/a/blobs/${D}?x=1`)).toBe(true);
    for (const [method, target] of [
      ['PUT', `/v2/a/blobs/${D}`],
      ['GET', `/v2/a/manifests/${D}`],
      ['GET', '/v2/a/blobs/uploads/1'],
      ['GET', `/v2/a/blobs/${D}/x`],
    ] as const)
      expect(readsBlob(method, target)).toBe(false);
  });
});

describe('the end that a token says of itself', () => {
  const token = (claims: unknown): string =>
    `Bearer e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`;

  it('is read where it is there, and is nothing else (T-64)', () => {
    expect(tokenExpiry(token({ exp: 1_800_000_000 }))).toBe(1_800_000_000_000);
    for (const other of [
      token({}),
      token({ exp: '1800000000' }),
      token({ exp: -1 }),
      token({ exp: 1.5 }),
      token([]),
      'Bearer opaque',
      'Basic e30.e30.e30',
      'Bearer e30.eyJleHAiOjEsImV4cCI6Mn0.c2ln',
      // Many dots, and more than a header holds.
      `Bearer ${'.'.repeat(100_000)}`,
      `Bearer e30.${'A'.repeat(20_000)}.c2ln`,
      null,
    ])
      expect(tokenExpiry(other)).toBeNull();
  });

  it('is found in no other text, and never by an exception', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        for (const header of [
          text,
          `Bearer ${text}`,
          `Bearer e30.${Buffer.from(text).toString('base64url')}.x`,
        ]) {
          const end = tokenExpiry(header);
          expect(end === null || Number.isSafeInteger(end)).toBe(true);
        }
      }),
    );
  });
});
