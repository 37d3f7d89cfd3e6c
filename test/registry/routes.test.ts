import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseTarget } from '../../src/registry/routes.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const ID = 'b'.repeat(32);

const routeOf = (target: string) => {
  const parsed = parseTarget(target);
  return parsed.ok ? parsed.value.route : parsed.refusal.code;
};

describe('parseTarget', () => {
  it('reads every endpoint', () => {
    expect(routeOf('/v2/')).toEqual({ kind: 'base' });
    expect(routeOf('/v2/_catalog?n=5')).toEqual({ kind: 'catalog' });
    expect(routeOf('/v2/a/b/tags/list')).toEqual({ kind: 'tags', path: 'a/b' });
    expect(routeOf('/v2/a/blobs/uploads/')).toEqual({ kind: 'uploads', path: 'a' });
    expect(routeOf(`/v2/a/blobs/uploads/${ID}`)).toEqual({ kind: 'upload', path: 'a', id: ID });
    expect(routeOf(`/v2/a/blobs/${DIGEST}`)).toEqual({ kind: 'blob', path: 'a', digest: DIGEST });
    expect(routeOf(`/v2/a/referrers/${DIGEST}`)).toEqual({
      kind: 'referrers',
      path: 'a',
      subject: DIGEST,
    });
    for (const reference of ['v1', DIGEST, 'a'.repeat(64), 'sha256-abc.sig', '_'])
      expect(routeOf(`/v2/a/manifests/${reference}`)).toEqual({
        kind: 'manifest',
        path: 'a',
        reference,
      });
  });

  it('tells the route by its last segments, whatever the repository is called', () => {
    const cases: [string, unknown][] = [
      ['/v2/manifests/manifests/v1', { kind: 'manifest', path: 'manifests', reference: 'v1' }],
      [
        '/v2/a/manifests/b/manifests/v1',
        { kind: 'manifest', path: 'a/manifests/b', reference: 'v1' },
      ],
      ['/v2/tags/list/tags/list', { kind: 'tags', path: 'tags/list' }],
      ['/v2/a/blobs/uploads/blobs/uploads/', { kind: 'uploads', path: 'a/blobs/uploads' }],
      [
        '/v2/a/blobs/uploads/manifests/v1',
        { kind: 'manifest', path: 'a/blobs/uploads', reference: 'v1' },
      ],
      [`/v2/referrers/blobs/${DIGEST}`, { kind: 'blob', path: 'referrers', digest: DIGEST }],
    ];
    for (const [target, route] of cases) expect([target, routeOf(target)]).toEqual([target, route]);
  });

  it.each([
    ['/v2/a%2fb/manifests/v1', 'PATH_INVALID'],
    ['/v2/a/manifests/%76%31', 'PATH_INVALID'],
    ['/v2/a/manifests/sha256%3Aabc', 'PATH_INVALID'],
    ['/v2/%2e%2e/manifests/v1', 'PATH_INVALID'],
    ['/v2/a\\b/manifests/v1', 'PATH_INVALID'],
    ['/v2/a;x=y/manifests/v1', 'PATH_INVALID'],
    ['/v2/a/manifests/v1#x', 'PATH_INVALID'],
    ['/v2/a/manifests/v1\u0000', 'PATH_INVALID'],
    ['/v2/é/manifests/v1', 'PATH_INVALID'],
    ['http://other.example/v2/a/manifests/v1', 'PATH_INVALID'],
    ['*', 'PATH_INVALID'],
    ['', 'PATH_INVALID'],
    [`/v2/${'a'.repeat(9000)}/manifests/v1`, 'PATH_INVALID'],
    ['/v2/../a/manifests/v1', 'NAME_INVALID'],
    ['/v2/a/./b/manifests/v1', 'NAME_INVALID'],
    ['/v2/a/../../etc/manifests/v1', 'NAME_INVALID'],
    ['/v2//a/manifests/v1', 'NAME_INVALID'],
    ['/v2/a//manifests/v1', 'NAME_INVALID'],
    ['/v2/_blobs/manifests/v1', 'NAME_INVALID'],
    ['/v2/a/_tags/manifests/v1', 'NAME_INVALID'],
    ['/v2/A/manifests/v1', 'NAME_INVALID'],
    [`/v2/${'a'.repeat(256)}/manifests/v1`, 'NAME_INVALID'],
    ['/v2/a/manifests/.hidden', 'TAG_INVALID'],
    ['/v2/a/manifests/', 'TAG_INVALID'],
    [`/v2/a/manifests/${'t'.repeat(129)}`, 'TAG_INVALID'],
    ['/v2/a/manifests/md5:0123', 'DIGEST_INVALID'],
    [`/v2/a/manifests/SHA256:${'a'.repeat(64)}`, 'DIGEST_INVALID'],
    [`/v2/a/blobs/sha256:${'A'.repeat(64)}`, 'DIGEST_INVALID'],
    ['/v2/a/blobs/sha256:../../../../etc/passwd', 'NOT_FOUND'],
    ['/v2/a/blobs/sha256:..', 'DIGEST_INVALID'],
    ['/v2/a/blobs/sha256', 'DIGEST_INVALID'],
    ['/v2/a/referrers/v1', 'DIGEST_INVALID'],
    ['/v2/a/blobs/uploads/../../x', 'NOT_FOUND'],
    ['/v2/a/blobs/uploads/..', 'BLOB_UPLOAD_UNKNOWN'],
    ['/v2/a/blobs/uploads/x', 'BLOB_UPLOAD_UNKNOWN'],
    ['/v2', 'NOT_FOUND'],
    ['/V2/', 'NOT_FOUND'],
    ['//v2/', 'NOT_FOUND'],
    ['/v2/a', 'NOT_FOUND'],
    ['/v2/a/tags/list/', 'NOT_FOUND'],
    ['/v2/a/tags/other', 'NOT_FOUND'],
    ['/v2/_oci/ext/discover', 'NOT_FOUND'],
    ['/v2/a/tags/list?n=1&n=2', 'REQUEST_INVALID'],
    [`/v2/a/blobs/uploads/?digest=${DIGEST}&digest=${DIGEST}`, 'REQUEST_INVALID'],
  ])('refuses %j with %s', (target, code) => {
    expect(routeOf(target)).toBe(code);
  });

  it('never lets a name, tag, digest or id through that could leave its folder', () => {
    const segment = fc.oneof(
      fc.constantFrom(
        '..',
        '.',
        '',
        'v2',
        'blobs',
        'uploads',
        'manifests',
        'tags',
        'list',
        'a',
        '_a',
      ),
      fc.string({ unit: 'binary', maxLength: 12 }),
    );
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 8 }), (segments) => {
        const parsed = parseTarget(`/v2/${segments.join('/')}`);
        if (!parsed.ok) return;
        for (const value of Object.values(parsed.value.route) as string[]) {
          expect(value).toMatch(/^[A-Za-z0-9._:/-]+$/);
          expect(value.split('/')).not.toContain('..');
          expect(value).not.toMatch(/(?:^|\/)_(?:blobs|tags|manifests|referrers)/);
        }
      }),
    );
  });
});
