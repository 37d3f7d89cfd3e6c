import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { unwrap } from '../../src/lib/result.ts';
import {
  formatReference,
  isTag,
  parseHost,
  parseReference,
  parseRepository,
  repositoryOf,
  splitRepository,
  withDefaultTag,
} from '../../src/oci/reference.ts';

const HEX = 'ab'.repeat(32);
const repository = (text: string): string => unwrap(parseReference(text)).repository;

describe('an image reference', () => {
  it.each([
    'nginx',
    'library/nginx',
    'docker.io/nginx',
    'docker.io/library/nginx',
    'index.docker.io/nginx',
    'index.docker.io/library/nginx',
    'registry-1.docker.io/library/nginx',
    'DOCKER.IO/library/nginx',
    'docker.io:443/library/nginx',
    `nginx:1.27@sha256:${HEX}`,
  ])('T-32: %s is the one repository docker.io/library/nginx', (text) => {
    expect(repository(text)).toBe('docker.io/library/nginx');
  });

  it.each([
    ['registry.example.com/team/app', 'registry.example.com/team/app'],
    ['Registry.Example.COM/team/app', 'registry.example.com/team/app'],
    ['registry.example.com:443/team/app', 'registry.example.com/team/app'],
    ['registry.example.com:5000/team/app:1', 'registry.example.com:5000/team/app'],
    ['localhost/app', 'localhost/app'],
    ['localhost:5000/app', 'localhost:5000/app'],
    ['[::1]:5000/app', '[::1]:5000/app'],
    ['127.0.0.1:5000/a/b/c', '127.0.0.1:5000/a/b/c'],
    // A first part without dot or port is no host (docker's own rule).
    ['team/app', 'docker.io/team/app'],
    ['registry.example.com/manifests/blobs', 'registry.example.com/manifests/blobs'],
  ])('T-32: %s is in the repository %s', (text, expected) => {
    expect(repository(text)).toBe(expected);
  });

  it.each([
    ['nothing', ''],
    ['a path that climbs', 'registry.example.com/../app'],
    ['an empty part', 'registry.example.com//app'],
    ['an end that is empty', 'registry.example.com/app/'],
    ['an upper-case name', 'registry.example.com/Team/app'],
    ['an upper-case name that docker would take for a host', 'Team/app'],
    ['an encoded slash', 'registry.example.com/team%2fapp'],
    ['a host of other letters', 'r\u00e9gistry.example.com/app'],
    ['a host with a trailing dot', 'registry.example.com./app'],
    ['a login', 'user:pass@registry.example.com/app'],
    ['a scheme', 'https://registry.example.com/app'],
    ['an upper-case digest algorithm', `nginx@SHA256:${HEX}`],
    ['an upper-case digest', `nginx@sha256:${HEX.toUpperCase()}`],
    ['two digests', `nginx@sha256:${HEX}@sha256:${HEX}`],
    ['a tag that begins with a dot', 'nginx:.x'],
    ['a tag of 129 characters', `nginx:${'a'.repeat(129)}`],
    ['an empty tag', 'nginx:'],
    ['a port beyond the last', 'registry.example.com:65536/app'],
    ['a space', 'nginx latest'],
    ['a line end', 'nginx\n'],
    ['a name beyond what clients take', `registry.example.com/${'a/'.repeat(200)}a`],
    ['something far too long', 'a'.repeat(5000)],
  ])('T-32: %s is refused', (_what, text) => {
    expect(parseReference(text).ok).toBe(false);
  });

  it('reads back as itself, and is canonical at once', () => {
    const label = fc.stringMatching(/^[a-z0-9]{1,8}$/);
    const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
    const host = fc.tuple(label, fc.constantFrom('', ':5000')).map(([a, b]) => `${a}.example${b}`);
    const tag = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,20}$/);
    fc.assert(
      fc.property(host, name, fc.option(tag), fc.boolean(), (at, path, named, pinned) => {
        const text = `${at}/${path}${named === null ? '' : `:${named}`}${pinned ? `@sha256:${HEX}` : ''}`;
        const parsed = unwrap(parseReference(text));
        expect(formatReference(parsed)).toBe(text);
        expect(splitRepository(parsed.repository)).toEqual({ host: at, path });
        expect(unwrap(parseReference(formatReference(parsed)))).toEqual(parsed);
      }),
    );
  });

  it('never throws on a text from outside, and what it accepts is its own canonical form', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-zA-Z0-9.:@/_-]{0,60}$/)), (text) => {
        const parsed = parseReference(text);
        if (!parsed.ok) return;
        const again = unwrap(parseReference(formatReference(parsed.value)));
        expect(again).toEqual(parsed.value);
        expect(parsed.value.repository.split('/')[0]).toBe(parsed.value.host);
      }),
      { numRuns: 1000 },
    );
  });

  it('gets the tag latest only where it names neither tag nor digest', () => {
    expect(withDefaultTag(unwrap(parseReference('nginx'))).tag).toBe('latest');
    expect(withDefaultTag(unwrap(parseReference('nginx:1'))).tag).toBe('1');
    expect(withDefaultTag(unwrap(parseReference(`nginx@sha256:${HEX}`))).tag).toBeUndefined();
  });
});

describe('a repository', () => {
  it('is named without tag and digest', () => {
    expect(parseRepository('nginx').ok).toBe(true);
    for (const text of ['nginx:1', `nginx@sha256:${HEX}`]) {
      expect(parseRepository(text)).toMatchObject({ refusal: { code: 'REFERENCE_INVALID' } });
    }
  });

  it('is at most 255 characters with its host', () => {
    const host = 'registry.example.com';
    const room = 255 - host.length - 1;
    expect(repositoryOf(host, 'a'.repeat(room)).ok).toBe(true);
    expect(repositoryOf(host, 'a'.repeat(room + 1)).ok).toBe(false);
  });
});

describe('a host', () => {
  it('is folded to one spelling, or refused', () => {
    expect(parseHost('Example.com:443')).toEqual({ ok: true, value: 'example.com' });
    expect(parseHost('example.com:8443')).toEqual({ ok: true, value: 'example.com:8443' });
    for (const text of ['', '-a.example', 'a..b', 'a/b', 'a b', 'a:b', 'a:99999', '[::1', '*.x']) {
      expect(parseHost(text).ok).toBe(false);
    }
  });
});

describe('a tag', () => {
  it('T-38: is of the grammar and nothing else', () => {
    for (const text of ['v1', '_x', '1.2.3-rc_4', 'A'.repeat(128)]) expect(isTag(text)).toBe(true);
    for (const text of ['', '.x', '-x', 'a/b', 'a:b', 'a\n', '..', 'a b', 'A'.repeat(129)]) {
      expect(isTag(text)).toBe(false);
    }
  });
});
