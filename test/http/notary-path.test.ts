import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NotaryRoute } from '../../src/http/notary-path.ts';
import { isNotaryPath, parseNotaryPath } from '../../src/http/notary-path.ts';
import { parseRegistryPath } from '../../src/http/registry-path.ts';

const HEX = 'ab'.repeat(32);
const GUN = 'registry.example.com:5000/team/app';

/** The one spelling of a route. */
function spelled(route: NotaryRoute): string {
  if (route.gun === null) return '/v2/_trust/changefeed';
  const base = `/v2/${route.gun}/_trust`;
  switch (route.kind) {
    case 'changefeed':
      return `${base}/changefeed`;
    case 'repository':
      return `${base}/tuf/`;
    case 'key':
      return `${base}/tuf/${route.role}.key`;
    case 'current':
      return `${base}/tuf/${route.role}.json`;
    case 'by-hash':
      return `${base}/tuf/${route.role}.${route.sha256}.json`;
    case 'by-version':
      return `${base}/tuf/${route.version}.${route.role}.json`;
  }
}

describe('a path of the trust server', () => {
  it.each([
    ['/v2/_trust/changefeed', { kind: 'changefeed', gun: null }],
    [`/v2/${GUN}/_trust/changefeed`, { kind: 'changefeed', gun: GUN }],
    [`/v2/${GUN}/_trust/tuf/`, { kind: 'repository', gun: GUN }],
    [`/v2/${GUN}/_trust/tuf/root.json`, { kind: 'current', gun: GUN, role: 'root' }],
    [
      `/v2/${GUN}/_trust/tuf/targets/releases.json`,
      { kind: 'current', gun: GUN, role: 'targets/releases' },
    ],
    [
      `/v2/${GUN}/_trust/tuf/targets/a/b.${HEX}.json`,
      { kind: 'by-hash', gun: GUN, role: 'targets/a/b', sha256: HEX },
    ],
    [
      `/v2/${GUN}/_trust/tuf/12.targets/releases.json`,
      { kind: 'by-version', gun: GUN, role: 'targets/releases', version: 12 },
    ],
    [`/v2/${GUN}/_trust/tuf/timestamp.key`, { kind: 'key', gun: GUN, role: 'timestamp' }],
    [`/v2/${GUN}/_trust/tuf/snapshot.key`, { kind: 'key', gun: GUN, role: 'snapshot' }],
    ['/v2/[::1]:5443/a/_trust/tuf/', { kind: 'repository', gun: '[::1]:5443/a' }],
    // A delegation may be called so, a repository may not.
    [
      `/v2/a/_trust/tuf/targets/_trust/x.json`,
      { kind: 'current', gun: 'a', role: 'targets/_trust/x' },
    ],
  ])('%s is read', (path, route) => {
    expect(isNotaryPath(path)).toBe(true);
    expect(parseNotaryPath(path)).toEqual(route);
  });

  it.each([
    `/v2/${GUN}/_trust/tuf`,
    `/v2/${GUN}/_trust/tuf/root`,
    `/v2/${GUN}/_trust/tuf/root.json/`,
    `/v2/${GUN}/_trust/tuf/Root.json`,
    `/v2/${GUN}/_trust/tuf/bogus.json`,
    `/v2/${GUN}/_trust/tuf/targets.key`,
    `/v2/${GUN}/_trust/tuf/root.key`,
    `/v2/${GUN}/_trust/tuf/0.root.json`,
    `/v2/${GUN}/_trust/tuf/01.root.json`,
    `/v2/${GUN}/_trust/tuf/-1.root.json`,
    `/v2/${GUN}/_trust/tuf/99999999999.root.json`,
    `/v2/${GUN}/_trust/tuf/1.root.${HEX}.json`,
    `/v2/${GUN}/_trust/tuf/root.${HEX.toUpperCase()}.json`,
    `/v2/${GUN}/_trust/tuf/root.${HEX}${HEX}.json`,
    `/v2/${GUN}/_trust/tuf/root.${HEX.slice(1)}.json`,
    `/v2/${GUN}/_trust/tuf/targets/.json`,
    `/v2/${GUN}/_trust/tuf/targets/../root.json`,
    `/v2/${GUN}/_trust/tuf/targets//releases.json`,
    `/v2/${GUN}/_trust/tuf/targets/a%2fb.json`,
    `/v2/${GUN}/_trust/tuf/%72oot.json`,
    `/v2/${GUN}/_trust//tuf/root.json`,
    `/v2/${GUN}//_trust/tuf/root.json`,
    `/v2/a/../${GUN}/_trust/tuf/root.json`,
    '/v2/../_trust/tuf/root.json',
    '/v2/./_trust/tuf/root.json',
    '/v2//_trust/tuf/root.json',
    '/v2/_trust/tuf/root.json',
    '/v2/_trust/changefeed/',
    `/v2/${GUN}/_trust/changefeed/`,
    `/v2/registry.example.com%3A5000/team/app/_trust/tuf/root.json`,
    `/v2/a b/_trust/tuf/root.json`,
    `/v2/a*/_trust/tuf/root.json`,
    `/v2/${'a/'.repeat(600)}_trust/tuf/root.json`,
  ])('T-29, T-30: %s is nothing, and nothing is made of it', (path) => {
    expect(isNotaryPath(path)).toBe(true);
    expect(parseNotaryPath(path)).toBeNull();
  });

  it.each(['/v2/', '/v2/app/manifests/1', '/v2/_catalog', '/_trust/tuf/', '/v2/app/_trust', '/'])(
    '%s is none of its own',
    (path) => expect(isNotaryPath(path)).toBe(false),
  );

  const parts = fc.constantFrom(
    ...'a host:5000 team _trust tuf .. . changefeed targets releases root.json snapshot.key'.split(
      ' ',
    ),
    ...`targets.${HEX}.json 3.root.json A %61 x_y`.split(' '),
    '',
  );
  const paths = fc.oneof(
    fc.array(parts, { minLength: 1, maxLength: 7 }).map((list) => `/v2/${list.join('/')}`),
    fc
      .tuple(fc.array(parts, { maxLength: 3 }), fc.array(parts, { maxLength: 3 }))
      .map(([gun, file]) => `/v2/${[...gun, '_trust', 'tuf', ...file].join('/')}`),
    fc.string().map((text) => `/v2/a/_trust/tuf/${text}`),
  );

  it('T-29, T-30: reproduces itself wherever it is accepted, and is never the registry’s too', () => {
    let accepted = 0;
    fc.assert(
      fc.property(paths, (path) => {
        const route = parseNotaryPath(path);
        if (route === null) return;
        accepted++;
        expect(isNotaryPath(path)).toBe(true);
        expect(spelled(route)).toBe(path);
        expect(new URL(path, 'http://registry.example.com').pathname).toBe(path);
        expect(parseRegistryPath(path).ok).toBe(false);
      }),
      { numRuns: 5000 },
    );
    expect(accepted).toBeGreaterThan(100);
  });
});
