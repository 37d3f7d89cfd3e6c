import { describe, expect, it } from 'vitest';
import { EXAMPLE_KEYS, exampleKeyWarnings } from '../../src/policy/example-keys.ts';
import { lint, lintHosts } from '../../src/policy/lint.ts';
import { OPTIONS, load, policyFile, publicKeyPem } from './site.ts';

const DCT = { ...OPTIONS, formats: ['cosign', 'dct'] as const };

const NOW = new Date('2026-06-01T00:00:00Z');
const BOTH = 'by: [a, b], atLeast: 1';
const warnings = async (...lines: readonly string[]): Promise<readonly string[]> =>
  lint(await load({ 'p.yaml': policyFile(...lines) }, DCT), NOW)
    .filter((text) => !text.includes('one key only'))
    .map((text) => text.replace(/^.*policy p /, ''));

describe('what deserves a second look', () => {
  it('is nothing about a policy that is as it should be', async () => {
    expect(await warnings(`require: [{ signatures: { ${BOTH}, maxAge: 90d } }]`)).toEqual([]);
  });

  it.each<[string, readonly string[], RegExp]>([
    ['evidence that never grows old', [`require: [{ signatures: { ${BOTH} } }]`], /^has no maxAge/],
    [
      'a policy that warns',
      ['mode: warn', `require: [{ signatures: { ${BOTH} } }]`],
      /^only warns/,
    ],
    [
      'a floor that is off',
      ['mode: off', 'floor: true', `require: [{ signatures: { ${BOTH} } }]`],
      /^is a floor that is off/,
    ],
    ['a policy that is off', ['mode: off', `require: [{ signatures: { ${BOTH} } }]`], /^is off/],
    [
      'pushes that nobody looks at',
      ['push: allow', `require: [{ signatures: { ${BOTH}, maxAge: 1d } }]`],
      /^lets every push/,
    ],
    [
      'dct where docker cannot give a tag',
      [`require: [{ signatures: { ${BOTH}, formats: [dct], maxAge: 1d } }]`],
      /^asks for dct with push: reject/,
    ],
    [
      'owners whom nobody pinned',
      [
        'push: hold',
        "require: [{ signatures: { by: [a, b, '@repository'], atLeast: 1, formats: [dct], maxAge: 1d } }]",
      ],
      /^trusts whoever begins a repository first/,
    ],
    [
      'an exception that ends soon',
      [
        `require: [{ signatures: { ${BOTH}, maxAge: 1d } }]`,
        `exceptions: [{ digest: "sha256:${'0'.repeat(64)}", reason: x, approvedBy: x, expires: 2026-06-14 }]`,
      ],
      /ends on 2026-06-14$/,
    ],
    [
      'an exception that ended',
      [
        `require: [{ signatures: { ${BOTH}, maxAge: 1d } }]`,
        `exceptions: [{ digest: "sha256:${'0'.repeat(64)}", reason: x, approvedBy: x, expires: 2026-05-31 }]`,
      ],
      /expired on 2026-05-31: remove it$/,
    ],
  ])('is %s', async (_, lines, expected) => {
    const found = await warnings(...lines);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(expected);
  });

  it('is not an exception that lasts', async () => {
    const exception = `exceptions: [{ digest: "sha256:${'0'.repeat(64)}", reason: x, approvedBy: x, expires: 2026-12-31 }]`;
    expect(await warnings(`require: [{ signatures: { ${BOTH}, maxAge: 1d } }]`, exception)).toEqual(
      [],
    );
  });

  it('is an authority that nobody asks for, and one with a single key', async () => {
    const text = policyFile('require: [{ signatures: { by: [a], maxAge: 1d } }]');
    const found = lint(await load({ 'p.yaml': text }), NOW);
    expect(found).toEqual([
      expect.stringMatching(/^authority a: has one key only/),
      'authority b: no policy asks for it',
    ]);
    const two = text.replace('[keys/a.pub]', '[keys/a.pub, keys/a2.pub]');
    expect(lint(await load({ 'p.yaml': two, 'keys/a2.pub': publicKeyPem() }), NOW)).toHaveLength(1);
  });

  it('is a policy for a registry that the service does not answer for', async () => {
    const text = policyFile('mode: warn');
    const set = await load({ 'p.yaml': text.replace("'**'", "'${registry}/**'") });
    expect(lintHosts(set, ['registry.example.com'])).toEqual([]);
    expect(lintHosts(set, ['localhost:5443'])).toEqual([
      expect.stringMatching(
        /p\.yaml:\d+: policy p governs nothing here: it is for registry\.example\.com, and the service answers for localhost:5443$/,
      ),
    ]);
    expect(lintHosts(await load({ 'p.yaml': text }), ['localhost:5443'])).toEqual([]);
  });

  it('is a key that nobody can sign with', async () => {
    const set = await load({ 'p.yaml': policyFile('mode: warn') });
    expect(exampleKeyWarnings(set)).toEqual([]);
    const [authority] = set.authorities;
    const keys = authority?.keys.map((key) => ({ ...key, id: EXAMPLE_KEYS['qa'] ?? '' })) ?? [];
    expect(exampleKeyWarnings({ authorities: [{ name: 'x', keys }] })).toEqual([
      expect.stringMatching(/^authority x has an example key/),
    ]);
  });
});
