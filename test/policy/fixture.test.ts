import { beforeAll, describe, expect, it } from 'vitest';
import type { Result } from '../../src/lib/result.ts';
import type { FixtureCase } from '../../src/policy/fixture.ts';
import { readFixture } from '../../src/policy/fixture.ts';
import type { PolicySet } from '../../src/policy/policy.ts';
import { runCase } from '../../src/policy/run-fixture.ts';
import { load, policyFile } from './site.ts';

const NOW = new Date('2026-06-01T00:00:00Z');
const DIGEST = `sha256:${'ab'.repeat(32)}`;
let set: PolicySet;
beforeAll(async () => {
  set = await load({ 'p.yaml': policyFile('require: [{ signatures: { by: [a] } }]') });
});

function read(text: string): Result<readonly FixtureCase[]> {
  return readFixture(Buffer.from(text), 'f.yaml', {
    set,
    registryHost: 'registry.example.com',
    now: NOW,
  });
}
function caseOf(...lines: readonly string[]): string {
  return ['version: 1', 'cases:', '  - name: c', ...lines.map((line) => `    ${line}`)].join('\n');
}
function only(text: string): FixtureCase {
  const cases = read(text);
  if (!cases.ok) throw new Error(cases.refusal.message);
  const [first] = cases.value;
  if (first === undefined) throw new Error('no case');
  return first;
}

describe('a fixture', () => {
  it('supposes a pull of the tag, and fresh signatures of just that', () => {
    const test = only(caseOf('image: nginx', 'signatures: [{ by: a }]', 'expect: allow'));
    expect(test.subject).toMatchObject({
      action: 'pull',
      repository: 'docker.io/library/nginx',
      tag: 'latest',
      revocations: [],
    });
    expect(test.signatures).toMatchObject([
      {
        format: 'cosign',
        status: 'valid',
        signed: { repository: 'docker.io/library/nginx', tag: 'latest' },
        signedAt: { time: NOW, trusted: false },
        keyId: set.authorities[0]?.keys[0]?.id,
      },
    ]);
    expect(test.expected).toEqual({ decision: 'allow', code: undefined, message: undefined });
  });

  it('takes every detail', () => {
    const test = only(
      caseOf(
        `image: "\${registry}/app@${DIGEST}"`,
        'action: push',
        'now: 2026-07-01T00:00:00Z',
        'signatures: [{ by: b/1, format: dct, age: 1d, tag: x, name: "${registry}/other" }, { status: inconclusive, age: none, tag: null }]',
        'revoked: { digest: true, tag: true, keys: [a, b/1] }',
        'expect: deny',
      ),
    );
    expect(test.subject).toMatchObject({ action: 'push', digest: DIGEST, tag: null });
    // Asked by digest there is no tag that could be revoked.
    expect(test.subject.revocations.map((each) => each.kind)).toEqual(['digest', 'key', 'key']);
    expect(test.signatures).toMatchObject([
      {
        format: 'dct',
        signed: { repository: 'registry.example.com/other', tag: 'x' },
        signedAt: { time: new Date('2026-06-30T00:00:00Z') },
      },
      { status: 'inconclusive', keyId: null, signed: { tag: null }, signedAt: null },
    ]);
  });

  it.each([
    ['no image', caseOf('expect: deny'), /"image", found none/],
    ['no image that can be read', caseOf('image: "a b"', 'expect: deny'), /expected/],
    ['no expectation', caseOf('image: nginx'), /"expect", found none/],
    [
      'an unknown authority',
      caseOf('image: nginx', 'expect: deny', 'signatures: [{ by: nobody }]'),
      /"nobody"; known are a, b/,
    ],
    [
      'a key that the authority does not have',
      caseOf('image: nginx', 'expect: deny', 'signatures: [{ by: a/2 }]'),
      /expected a\/1 to a\/1/,
    ],
    [
      'a signature by nobody',
      caseOf('image: nginx', 'expect: deny', 'signatures: [{ age: 1d }]'),
      /"by", found none/,
    ],
    [
      'an age that is none',
      caseOf('image: nginx', 'expect: deny', 'signatures: [{ by: a, age: old }]'),
      /expected an age such as 3d/,
    ],
    [
      'a digest that is none',
      caseOf('image: nginx', 'expect: deny', 'digest: x'),
      /expected sha256:/,
    ],
    [
      'a time that is none',
      caseOf('image: nginx', 'expect: deny', 'now: today'),
      /expected an instant/,
    ],
    [
      'a signed name that is none',
      caseOf('image: nginx', 'expect: deny', 'signatures: [{ by: a, name: "A B" }]'),
      /expected/,
    ],
    ['a case that is none', 'version: 1\ncases: [x]', /expected a mapping, found x/],
    ['no cases', 'version: 1\ncases: []', /1 to 1000 cases/],
    ['another version', 'version: 2\ncases: []', /whole number from 1 to 1/],
    ['no YAML', '[', /f\.yaml/],
  ])('with %s is refused', (_, text, expected) => {
    const cases = read(text);
    expect(cases.ok ? '' : cases.refusal.message).toMatch(expected);
  });
});

describe('a case', () => {
  const image = 'image: nginx';
  it.each([
    [
      'another verdict',
      caseOf(image, 'expect: allow'),
      /^expected allow, found deny NOT_TRUSTED: docker/,
    ],
    [
      'another code',
      caseOf(image, 'expect: deny', 'code: REVOKED'),
      /^expected REVOKED, found deny NOT_TRUSTED/,
    ],
    [
      'another message',
      caseOf(image, 'expect: deny', 'message: elephant'),
      /^expected a message with "elephant", found/,
    ],
  ])('that comes out with %s says so', (_, text, expected) => {
    expect(runCase(set, only(text)).difference).toMatch(expected);
  });

  it('takes a signature by a key that nobody has now for invalid', () => {
    const test = only(caseOf(image, 'signatures: [{ by: a }]', 'expect: allow'));
    expect(runCase(set, test).difference).toBeNull();
    const orphaned = { ...set, authorities: [] };
    expect(runCase(orphaned, test).decision.findings).toMatchObject([
      { status: 'invalid', authority: null },
    ]);
  });
});
