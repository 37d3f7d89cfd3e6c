import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RegistryRoute } from '../../src/http/registry-path.ts';
import { parseRegistryPath } from '../../src/http/registry-path.ts';

const HEX = 'ab'.repeat(32);
const DIGEST = `sha256:${HEX}`;

const said = (path: string): string => {
  const parsed = parseRegistryPath(path);
  return parsed.ok ? parsed.value.kind : parsed.refusal.code;
};

/** The one spelling of a route. */
function spelled(route: RegistryRoute): string {
  switch (route.kind) {
    case 'base':
      return '/v2/';
    case 'catalog':
      return '/v2/_catalog';
    case 'manifest': {
      const { reference } = route;
      const last = 'tag' in reference ? reference.tag : reference.digest;
      return `/v2/${route.path}/manifests/${last}`;
    }
    case 'blob':
      return `/v2/${route.path}/blobs/${route.digest}`;
    case 'uploads':
      return `/v2/${route.path}/blobs/uploads/`;
    case 'upload':
      return `/v2/${route.path}/blobs/uploads/${route.session}`;
    case 'tags':
      return `/v2/${route.path}/tags/list`;
    case 'referrers':
      return `/v2/${route.path}/referrers/${route.digest}`;
  }
}

describe('a path of the registry', () => {
  it.each([
    ['/v2/', 'base'],
    ['/v2', 'base'],
    ['/v2/_catalog', 'catalog'],
    ['/v2/team/app/manifests/1.0', 'manifest'],
    ['/v2/team/app/manifests/Latest_1', 'manifest'],
    [`/v2/team/app/manifests/${DIGEST}`, 'manifest'],
    [`/v2/app/blobs/${DIGEST}`, 'blob'],
    ['/v2/app/blobs/uploads/', 'uploads'],
    ['/v2/app/blobs/uploads/0a-B_c.d~e=', 'upload'],
    ['/v2/app/tags/list', 'tags'],
    [`/v2/app/referrers/${DIGEST}`, 'referrers'],
    // Components that are also words of the API: the last ones are the API's.
    ['/v2/manifests/manifests/manifests', 'manifest'],
    ['/v2/blobs/uploads/tags/list', 'tags'],
    ['/v2/a/manifests/b/manifests/c', 'manifest'],
  ])('%s is read as %s', (path, kind) => {
    expect(said(path)).toBe(kind);
  });

  it.each([
    ['/v2//app/manifests/1', 'PATH_INVALID'],
    ['/v2/app//manifests/1', 'PATH_INVALID'],
    ['//v2/app/manifests/1', 'NOT_FOUND'],
    ['/v2/./app/manifests/1', 'PATH_INVALID'],
    ['/v2/app/../app/manifests/1', 'PATH_INVALID'],
    ['/v2/app/manifests/..', 'PATH_INVALID'],
    ['/v2/app/manifests/.', 'PATH_INVALID'],
    ['/v2/%61pp/manifests/1', 'PATH_INVALID'],
    ['/v2/app%2fmanifests/1', 'PATH_INVALID'],
    ['/v2/app/%2e%2e/manifests/1', 'PATH_INVALID'],
    ['/v2/app/manifests/1%00', 'PATH_INVALID'],
    ['/v2/app%5cmanifests/1', 'PATH_INVALID'],
    ['/v2/app\\manifests/1', 'PATH_INVALID'],
    ['/v2/app/manifests/1;x=y', 'PATH_INVALID'],
    ['/v2/app/manifests/1#', 'PATH_INVALID'],
    ['/v2/app/manifests/1 ', 'PATH_INVALID'],
    ['/v2/app/manifests/1/', 'NOT_FOUND'],
    ['/v2/app/tags/list/', 'NOT_FOUND'],
    ['/v2/_catalog/', 'NOT_FOUND'],
    ['/V2/app/manifests/1', 'NOT_FOUND'],
    ['/v2/app/Manifests/1', 'NOT_FOUND'],
    ['/v1/app/manifests/1', 'NOT_FOUND'],
    ['/v2x', 'NOT_FOUND'],
    ['http://evil.example.com/v2/app/manifests/1', 'NOT_FOUND'],
    ['', 'NOT_FOUND'],
    ['/v2/App/manifests/1', 'NAME_INVALID'],
    ['/v2/-app/manifests/1', 'NAME_INVALID'],
    ['/v2/a__b_/manifests/1', 'NAME_INVALID'],
    ['/v2/app/manifests/-1', 'TAG_INVALID'],
    [`/v2/app/manifests/${'t'.repeat(129)}`, 'TAG_INVALID'],
    [`/v2/app/manifests/sha256:${HEX.toUpperCase()}`, 'DIGEST_INVALID'],
    [`/v2/app/manifests/SHA256:${HEX}`, 'DIGEST_INVALID'],
    [`/v2/app/manifests/sha256:${HEX.slice(1)}`, 'DIGEST_INVALID'],
    [`/v2/app/manifests/md5:${'a'.repeat(32)}`, 'DIGEST_INVALID'],
    ['/v2/app/blobs/sha256:../../x', 'PATH_INVALID'],
    ['/v2/app/manifests/sha256:..%2f..%2fx', 'PATH_INVALID'],
    [`/v2/app/blobs/sha256:${HEX}\0`, 'PATH_INVALID'],
    [`/v2/app/blobs/sha256:${HEX}${HEX}`, 'DIGEST_INVALID'],
    [`/v2/app/referrers/sha512:${HEX}`, 'DIGEST_INVALID'],
    [`/v2/app/blobs/sha256+x:${HEX}`, 'DIGEST_INVALID'],
    ['/v2/app/blobs/uploads', 'DIGEST_INVALID'],
    ['/v2/app/blobs/latest', 'DIGEST_INVALID'],
    ['/v2/app/referrers/latest', 'DIGEST_INVALID'],
    ['/v2/app/blobs/uploads/a:b', 'BLOB_UPLOAD_UNKNOWN'],
    [`/v2/${'a/'.repeat(600)}manifests/1`, 'PATH_INVALID'],
    ['/v2/_oci/ext/discover', 'EXTENSION_UNKNOWN'],
    ['/v2/_zot/ext/search', 'EXTENSION_UNKNOWN'],
    ['/v2/_zot/ext/userprefs/x', 'EXTENSION_UNKNOWN'],
    ['/v2/team/app/_oci/ext/discover', 'EXTENSION_UNKNOWN'],
    ['/v2/_catalog/tags/list', 'EXTENSION_UNKNOWN'],
  ])('T-30, T-38: %s is refused with %s', (path, code) => {
    expect(said(path)).toBe(code);
  });

  const route = (name: fc.Arbitrary<string>): fc.Arbitrary<string> => {
    const last = fc.constantFrom('1', 'v1.0', DIGEST, '..', '%2e', 'a/b', '', 'list', 'x_y');
    const verb = fc.constantFrom('manifests', 'blobs', 'blobs/uploads', 'referrers', 'tags', 'V2');
    return fc.tuple(name, verb, last).map((parts) => `/v2/${parts.join('/')}`);
  };
  const name = fc
    .array(
      fc.constantFrom('a', 'app', 'b-c', 'd.e', 'f_g', 'blobs', '..', '', 'A', '%41', 'tags'),
      {
        minLength: 1,
        maxLength: 4,
      },
    )
    .map((parts) => parts.join('/'));

  it('T-29, T-30: reproduces itself wherever it is accepted, so that nobody behind reads another one', () => {
    let accepted = 0;
    fc.assert(
      fc.property(
        fc.oneof(
          route(name),
          fc.string().map((text) => `/v2/${text}`),
        ),
        (path) => {
          const parsed = parseRegistryPath(path);
          if (!parsed.ok) return;
          accepted++;
          expect(path === '/v2' ? '/v2/' : path).toBe(spelled(parsed.value));
          expect(new URL(path, 'http://registry.example.com').pathname).toBe(path);
        },
      ),
      { numRuns: 3000 },
    );
    expect(accepted).toBeGreaterThan(100);
  });
});
