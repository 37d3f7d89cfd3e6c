import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { unwrap } from '../../src/lib/result.ts';
import {
  compareSpecificity,
  literalFront,
  matchesPattern,
  overlap,
  parsePattern,
} from '../../src/policy/pattern.ts';

const HOSTS = {
  registryHost: 'registry.example.com',
  aliases: new Map([['registry.internal:5000', 'registry.example.com']]),
};
const pattern = (text: string) => unwrap(parsePattern(text, HOSTS));
const matches = (text: string, repository: string): boolean =>
  matchesPattern(pattern(text), repository);

describe('an image pattern', () => {
  it.each([
    ['registry.example.com/prod/app', 'registry.example.com/prod/app', true],
    ['registry.example.com/prod/app', 'registry.example.com/prod/app2', false],
    ['registry.example.com/prod/*', 'registry.example.com/prod/app', true],
    ['registry.example.com/prod/*', 'registry.example.com/prod/team/app', false],
    ['registry.example.com/prod/*', 'registry.example.com/prod', false],
    ['registry.example.com/prod/**', 'registry.example.com/prod/team/app', true],
    ['registry.example.com/prod/**', 'registry.example.com/prod/app', true],
    ['registry.example.com/prod/**', 'registry.example.com/prod', false],
    ['registry.example.com/prod/**', 'registry.example.com/production/app', false],
    ['registry.example.com/**/app', 'registry.example.com/app', true],
    ['registry.example.com/**/app', 'registry.example.com/a/b/app', true],
    ['registry.example.com/**/app', 'registry.example.com/a/b/app2', false],
    ['registry.example.com/**/a/**/b', 'registry.example.com/x/a/a/y/b', true],
    ['registry.example.com/app-*', 'registry.example.com/app-one', true],
    ['registry.example.com/app-*', 'registry.example.com/app', false],
    ['registry.example.com/*-app-*', 'registry.example.com/my-app-one', true],
    ['registry.example.com/a*b*c', 'registry.example.com/abxbc', true],
    ['registry.example.com/a*b*c', 'registry.example.com/ac', false],
    ['registry.example.com/ab*ba', 'registry.example.com/aba', false],
    ['${registry}/prod/**', 'registry.example.com/prod/app', true],
    ['REGISTRY.example.com:443/prod/**', 'registry.example.com/prod/app', true],
    ['registry.internal:5000/prod/**', 'registry.example.com/prod/app', true],
    ['registry.example.com/**', 'registry.example.com.evil.com/app', false],
    ['registry.example.com/**', 'registry.example.com:8443/app', false],
    ['docker.io/nginx', 'docker.io/library/nginx', true],
    ['index.docker.io/library/nginx', 'docker.io/library/nginx', true],
    ['docker.io/**', 'docker.io/library/nginx', true],
    ['docker.io/*', 'docker.io/team/nginx', false],
    ['localhost/**', 'localhost/app', true],
    ['**', 'anything.example.com/a/b/c', true],
  ])('%s on %s: %s', (text, repository, expected) => {
    expect(matches(text, repository)).toBe(expected);
  });

  it.each([
    'prod/**',
    '*/prod/**',
    '**/prod',
    '*.example.com/**',
    'registry.example.com',
    'registry.example.com/',
    'registry.example.com//app',
    'registry.example.com/Prod/**',
    'registry.example.com/a**',
    'registry.example.com/***',
    'registry.example.com/../app',
    'registry.example.com/app:1.0',
    'registry.example.com/app@sha256:00',
    'registry.example.com/${registry}',
    '${REGISTRY}/app',
    'registry.example.com/[ab]',
    'registry.example.com/pro?',
    '',
    `registry.example.com/${'a'.repeat(600)}`,
  ])('is refused where it could match less or more than it looks like: %s', (text) => {
    const parsed = parsePattern(text, HOSTS);
    expect(parsed.ok ? text : parsed.refusal.code).toBe('POLICY_INVALID');
  });

  it('has the front that signedAs replaces', () => {
    expect(literalFront(pattern('${registry}/prod/app-*/**'))).toBe('registry.example.com/prod');
    expect(literalFront(pattern('${registry}/prod/app'))).toBe('registry.example.com/prod/app');
    expect(literalFront(pattern('${registry}/**'))).toBe('registry.example.com');
    expect(literalFront(pattern('**'))).toBe('');
  });

  it('T-63: is matched without backtracking that grows with the power of the stars', () => {
    const hard = `registry.example.com/${'**/a/'.repeat(50)}b`;
    expect(matches(hard, `registry.example.com/${'a/'.repeat(100)}c`)).toBe(false);
    expect(
      matches(
        `registry.example.com/${'a*'.repeat(100)}b`,
        `registry.example.com/${'a'.repeat(230)}`,
      ),
    ).toBe(false);
  });
});

describe('the order of patterns', () => {
  it.each([
    ['${registry}/prod/app', '${registry}/prod/*'],
    ['${registry}/prod/app', '${registry}/prod/app-*'],
    ['${registry}/prod/app-*', '${registry}/prod/*'],
    ['${registry}/prod/app-prod-*', '${registry}/prod/app-*'],
    ['${registry}/prod/*', '${registry}/prod/**'],
    ['${registry}/prod/*', '${registry}/*/app'],
    ['${registry}/prod/**', '${registry}/**'],
    ['${registry}/**/app', '${registry}/**'],
    ['${registry}/**', '**'],
  ])('puts %s before %s', (specific, general) => {
    expect(compareSpecificity(pattern(specific), pattern(general))).toBeLessThan(0);
    expect(compareSpecificity(pattern(general), pattern(specific))).toBeGreaterThan(0);
  });

  it.each([
    ['${registry}/prod/a*', '${registry}/prod/*b', true],
    ['${registry}/**/a/**', '${registry}/**/b/**', true],
    ['${registry}/*/a*/x', '${registry}/*/*z/x', true],
    ['${registry}/prod/**', '${registry}/prod/**', true],
    ['${registry}/prod/**', '${registry}/test/**', false],
    ['${registry}/*/a', '${registry}/*/b', false],
    ['${registry}/prod/a*c', '${registry}/prod/a*d', false],
    ['${registry}/**/a', '${registry}/**/b', false],
  ])('says nothing of %s and %s, which overlap: %s', (a, b, expected) => {
    expect(compareSpecificity(pattern(a), pattern(b))).toBeUndefined();
    expect(overlap(pattern(a), pattern(b))).toBe(expected);
  });
});

const segment = fc.constantFrom('a', 'b', 'ab', 'a-b', 'prod');
const starred = fc.oneof(segment, fc.constantFrom('*', '**', 'a*', '*b', 'a*b'));
const host = fc.constantFrom('registry.example.com', 'other.example.com', 'localhost:5000');
const repositories = fc
  .tuple(host, fc.array(segment, { minLength: 1, maxLength: 5 }))
  .map(([name, path]) => [name, ...path].join('/'));
const patterns = fc
  .tuple(host, fc.array(starred, { minLength: 1, maxLength: 5 }))
  .map(([name, path]) => [name, ...path].join('/'));

/** The plainest possible matcher: the pattern as a regular expression, written from the documentation. */
function byRegExp(text: string): RegExp {
  const [name = '', ...path] = text.split('/');
  const quoted = name.replaceAll(/[.:]/g, '\\$&');
  const body = path.map((part, i) => {
    if (part !== '**') return `/${part.replaceAll('*', '[^/]*')}`;
    return i === path.length - 1 ? '(?:/[^/]+)+' : '(?:/[^/]+)*';
  });
  return new RegExp(`^${quoted}${body.join('')}$`);
}

describe('matching', () => {
  it('agrees with the documentation written as a regular expression', () => {
    fc.assert(
      fc.property(patterns, repositories, (text, repository) => {
        expect(matches(text, repository)).toBe(byRegExp(text).test(repository));
      }),
      { numRuns: 3000 },
    );
  });

  it('T-28: never lets the host part match a slash, nor another host', () => {
    fc.assert(
      fc.property(patterns, repositories, (text, repository) => {
        if (!matches(text, repository)) return;
        expect(repository.split('/')[0]).toBe(text.split('/')[0]);
      }),
    );
  });

  it('of two patterns that match one repository says that they overlap', () => {
    fc.assert(
      fc.property(patterns, patterns, repositories, (a, b, repository) => {
        if (!matches(a, repository) || !matches(b, repository)) return;
        expect(overlap(pattern(a), pattern(b))).toBe(true);
        expect(overlap(pattern(b), pattern(a))).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  it('orders any two patterns the same way from both sides', () => {
    fc.assert(
      fc.property(patterns, patterns, (a, b) => {
        const forth = compareSpecificity(pattern(a), pattern(b));
        const back = compareSpecificity(pattern(b), pattern(a));
        expect(Math.sign(forth ?? 0)).toBe(-Math.sign(back ?? 0) || 0);
      }),
      { numRuns: 3000 },
    );
  });

  it('orders three patterns without a circle', () => {
    fc.assert(
      fc.property(patterns, patterns, patterns, (a, b, c) => {
        const before = (x: string, y: string): boolean =>
          (compareSpecificity(pattern(x), pattern(y)) ?? 0) < 0;
        expect(before(a, b) && before(b, c) && !before(a, c)).toBe(false);
      }),
      { numRuns: 5000 },
    );
  });

  it('never throws on a pattern from outside', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(parsePattern(text, HOSTS).ok).toBeTypeOf('boolean');
      }),
    );
  });
});
