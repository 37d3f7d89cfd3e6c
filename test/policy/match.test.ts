import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { unwrap } from '../../src/lib/result.ts';
import type { Repository } from '../../src/oci/reference.ts';
import { askedBy, govern, matchesOf } from '../../src/policy/match.ts';
import { compareSpecificity, overlap, parsePattern } from '../../src/policy/pattern.ts';
import type { Policy, PolicySet } from '../../src/policy/policy.ts';
import { policyWith, rule } from './judging.ts';

const HOSTS = { registryHost: 'registry.example.com' };

const policy = (name: string, images: readonly string[], more: Partial<Policy> = {}): Policy =>
  policyWith({
    name,
    images: images.map((text) => unwrap(parsePattern(text, HOSTS))),
    require: [rule({ by: [`signer-of-${name}`], atLeast: 1 })],
    source: `${name}.yaml:1`,
    ...more,
  });
const setOf = (...policies: readonly Policy[]): PolicySet => ({
  revision: 'r',
  authorities: [],
  policies,
});
const repo = (text: string): Repository => text as Repository;

describe('what governs a repository', () => {
  const set = setOf(
    policy('everything', ['**']),
    policy('registry', ['${registry}/**'], { floor: true }),
    policy('prod', ['${registry}/prod/**']),
    policy('app', ['${registry}/prod/app', '${registry}/prod/app/*']),
    policy('baseline', ['${registry}/*/**'], { floor: true, mode: 'warn' }),
  );

  it.each([
    ['registry.example.com/prod/app', 'app', ['baseline', 'registry']],
    ['registry.example.com/prod/app/x', 'app', ['baseline', 'registry']],
    ['registry.example.com/prod/other', 'prod', ['baseline', 'registry']],
    ['registry.example.com/test/other', 'baseline', ['registry']],
    ['registry.example.com/alone', 'registry', []],
    ['docker.io/library/nginx', 'everything', []],
  ])('%s: %s, with the floors %j', (repository, name, floors) => {
    const governing = govern(set, repo(repository), []);
    expect(governing?.policy.name).toBe(name);
    expect(governing?.floors.map((floor) => floor.policy.name)).toEqual(floors);
    expect(governing?.revision).toBe('r');
  });

  it('is nothing where no policy matches', () => {
    expect(
      govern(setOf(policy('p', ['${registry}/prod/**'])), repo('other.example.com/x'), []),
    ).toBeNull();
  });

  it('is never one of two that are equally specific: such a set is refused', () => {
    const twice = setOf(policy('a', ['${registry}/x*']), policy('b', ['${registry}/*x']));
    expect(() => govern(twice, repo('registry.example.com/xx'), [])).toThrow(
      /policies . \(.\.yaml:1\) and . \(.\.yaml:1\) are equally specific/,
    );
    expect(govern(twice, repo('registry.example.com/xy'), [])?.policy.name).toBe('a');
  });

  it('does not depend on the order of the policies', () => {
    const forth = matchesOf(set, repo('registry.example.com/prod/app'));
    const back = matchesOf(
      { ...set, policies: set.policies.toReversed() },
      repo('registry.example.com/prod/app'),
    );
    expect(back.map((match) => match.policy.name)).toEqual(forth.map((match) => match.policy.name));
  });

  it('is unchanged by policies for other repositories', () => {
    const names = fc.array(fc.constantFrom('a', 'b', 'c', '*', '**', 'a*'), {
      minLength: 1,
      maxLength: 3,
    });
    const pattern = names.map((parts) => `registry.example.com/${parts.join('/')}`);
    fc.assert(
      fc.property(fc.array(pattern, { maxLength: 6 }), pattern, (texts, extra) => {
        const repository = repo('registry.example.com/b/c');
        // A set that loads: overlapping patterns that nothing orders are left out.
        const accepted: Policy[] = [];
        for (const text of texts) {
          const next = policy(`p${accepted.length}`, [text], { floor: accepted.length % 2 === 0 });
          const [candidate] = next.images;
          const clash = accepted.some(({ images: [other] }) =>
            other === undefined || candidate === undefined
              ? true
              : compareSpecificity(other, candidate) === undefined && overlap(other, candidate),
          );
          if (!clash) accepted.push(next);
        }
        const added = policy('added', [extra], { floor: true });
        const alone = govern(setOf(added), repository, []);
        if (alone !== null) return;
        expect(govern(setOf(added, ...accepted), repository, [])).toEqual(
          govern(setOf(...accepted), repository, []),
        );
      }),
    );
  });
});

describe('the names under which a signature counts', () => {
  const named = (
    images: readonly string[],
    signedAs: readonly string[],
    repository: string,
  ): readonly string[] =>
    govern(setOf(policy('p', images, { signedAs })), repo(repository), ['alias.example.com:5000'])
      ?.signedNames ?? [];

  it('are its own and the aliases of its host', () => {
    expect(named(['**'], [], 'registry.example.com/a/b')).toEqual([
      'registry.example.com/a/b',
      'alias.example.com:5000/a/b',
    ]);
  });

  it('are those with the literal front of the pattern replaced', () => {
    expect(
      named(
        ['${registry}/prod/**'],
        ['old.example.com/p', 'bare.example.com'],
        'registry.example.com/prod/a/b',
      ).slice(2),
    ).toEqual(['old.example.com/p/a/b', 'bare.example.com/a/b']);
    expect(
      named(
        ['${registry}/prod/app'],
        ['old.example.com/x', 'bare.example.com'],
        'registry.example.com/prod/app',
      ).slice(2),
    ).toEqual(['old.example.com/x']);
    expect(
      named(
        ['${registry}/prod/app-*'],
        ['old.example.com/p'],
        'registry.example.com/prod/app-1',
      ).slice(2),
    ).toEqual(['old.example.com/p/app-1']);
  });

  it('are those of the most specific pattern that matches', () => {
    expect(
      named(
        ['${registry}/**', '${registry}/prod/**'],
        ['old.example.com'],
        'registry.example.com/prod/a',
      ).slice(2),
    ).toEqual(['old.example.com/a']);
  });

  it('leave out what is no repository name', () => {
    const long = `registry.example.com/${'a'.repeat(200)}`;
    expect(named(['${registry}/**'], [`old.example.com/${'b'.repeat(60)}`], long)).toHaveLength(2);
  });

  it('are for a floor its own: a narrower signedAs does not widen it', () => {
    const governing = govern(
      setOf(
        policy('floor', ['**'], { floor: true }),
        policy('p', ['${registry}/prod/**'], { signedAs: ['registry.example.com/trusted'] }),
      ),
      repo('registry.example.com/prod/a'),
      [],
    );
    expect(governing?.signedNames).toContain('registry.example.com/trusted/a');
    expect(governing?.floors[0]?.signedNames).toEqual(['registry.example.com/prod/a']);
  });
});

describe('what must be looked for', () => {
  it('is what the policy and its floors ask for, unless they are off', () => {
    const set = setOf(
      policy('floor', ['**'], { floor: true, bindTag: true }),
      policy('off', ['${registry}/**'], { floor: true, mode: 'off' }),
      policy('p', ['${registry}/prod/**']),
    );
    const governing = govern(set, repo('registry.example.com/prod/a'), []);
    expect(governing === null ? null : askedBy(governing)).toEqual({
      formats: ['cosign'],
      authorities: ['signer-of-p', 'signer-of-floor'],
      bindsTag: true,
      signedTags: false,
    });
    const other = govern(
      setOf(policy('p', ['**'], { mode: 'off' })),
      repo('registry.example.com/a'),
      [],
    );
    expect(other === null ? null : askedBy(other)).toEqual({
      formats: [],
      authorities: [],
      bindsTag: false,
      signedTags: false,
    });
  });
});
