import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { unwrap } from '../../../src/lib/result.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import type { Decision } from '../../../src/policy/decision.ts';
import { readFixture } from '../../../src/policy/fixture.ts';
import { loadPolicies } from '../../../src/policy/load.ts';
import { parsePattern } from '../../../src/policy/pattern.ts';
import type { Exception, Policy, PolicySet, SignatureRule } from '../../../src/policy/policy.ts';
import { runCase } from '../../../src/policy/run-fixture.ts';
import type { Authority } from '../../../src/trust/format.ts';

const HOSTS = { registryHost: 'registry.example.com' };
const NOW = new Date('2026-06-01T00:00:00Z');
const DAY = 86_400_000;

const set: PolicySet = unwrap(
  await loadPolicies(join(import.meta.dirname, 'policies'), {
    ...HOSTS,
    formats: ['cosign', 'dct'],
  }),
);
const cases = unwrap(
  readFixture(readFileSync(join(import.meta.dirname, 'cases.yaml')), 'cases.yaml', {
    set,
    registryHost: HOSTS.registryHost,
    now: NOW,
  }),
);

describe('golden decisions', () => {
  it.each(cases)('$name', (test) => {
    expect(runCase(set, test).difference).toBeNull();
  });

  it('have each their own name', () => {
    expect(new Set(cases.map((test) => test.name)).size).toBe(cases.length);
  });
});

/** The verdicts alone, or with all that a decision says; a set that cannot be judged by is its own answer. */
function outcome(changed: PolicySet, show: (decision: Decision) => unknown): string {
  try {
    return JSON.stringify(cases.map((test) => show(runCase(changed, test).decision)));
  } catch (error) {
    return String(error);
  }
}
const verdicts = (decision: Decision): unknown => [decision.decision, decision.reason.code];
const everything = (decision: Decision): unknown => ({ ...decision, findings: null });

/** Other values for each field; what a field is left out of is explained in the lists below. */
type Mutants<T> = {
  readonly [K in keyof T]: (value: T[K], policy: Policy) => readonly T[K][];
};

/** Settings on which the gate acts and the verdict does not depend; `source` is for messages about files. */
const NOT_JUDGED = {
  blobs: 'the gate asks whether a blob belongs to an admitted manifest',
  delete: 'the gate refuses deletes',
  holdFor: 'the gate ends holds',
  authGrace: 'the gate remembers what upstream let in',
  source: 'file and line, for messages about policy files',
} as const satisfies Partial<Record<keyof Policy, string>>;

/** Fields that a decision shows without depending on them: a flip changes what is recorded, not the verdict. */
const SHOWN: readonly string[] = ['policy.name', 'exception.reason', 'exception.approvedBy'];

const OTHER_ROOT = 'f'.repeat(64);
/** Roots bear on signatures in `dct` only. */
const otherRoots = (roots: readonly string[], rules: readonly SignatureRule[]) =>
  rules.some((rule) => rule.formats.includes('dct'))
    ? [roots.length === 0 ? [OTHER_ROOT] : []]
    : [];

const RULE: Mutants<SignatureRule> = {
  by: (by) => [...by.map((name) => by.filter((other) => other !== name)), [...by, 'mallory'], []],
  atLeast: (atLeast) => [atLeast - 1, atLeast + 1, 0, Number.NaN],
  formats: (formats, policy) => [
    ['notation'],
    // The repository itself signs in dct and in nothing else.
    ...(policy.name === 'owners' ? [] : [[...formats, 'notation' as const]]),
    ...formats.map((format) => formats.filter((other) => other !== format)),
  ],
  roots: (roots, policy) => otherRoots(roots, policy.require),
  maxAge: (maxAge) => (maxAge === null ? [DAY, 0] : [null, maxAge - 1, maxAge + DAY, 0]),
};

const EXCEPTION: Mutants<Exception> = {
  digest: () => [`sha256:${'3'.repeat(64)}` as Digest],
  reason: (reason) => [`${reason}!`],
  approvedBy: (name) => [`${name}!`],
  expires: (expires) => [new Date(expires.getTime() > NOW.getTime() ? 0 : NOW.getTime() + DAY)],
};

const elsewhere = unwrap(parsePattern('elsewhere.example.com/**', HOSTS));
const byNobody: SignatureRule = {
  by: ['nobody'],
  atLeast: 1,
  formats: ['cosign'],
  maxAge: null,
  roots: [],
};

const POLICY: Mutants<Omit<Policy, keyof typeof NOT_JUDGED>> = {
  name: (name) => [`${name}!`],
  images: (images) => [[], [...images, elsewhere]],
  mode: (mode) => (['enforce', 'warn', 'off'] as const).filter((other) => other !== mode),
  // Between reject and hold the verdict is the same: what becomes of a refused push is the gate's.
  // Under warn every push is let through anyway.
  push: (push, { mode }) => (mode === 'warn' ? [] : [push === 'allow' ? 'reject' : 'allow']),
  require: (rules) => [[...rules, byNobody], ...(rules.length > 0 ? [[]] : [])],
  signedAs: (names, policy) => [
    ...(names.length > 0 ? [[]] : []),
    ...(policy.name === 'production' ? [[...names, 'evil.example.com/prod']] : []),
  ],
  bindTag: (bindTag) => [!bindTag],
  tags: (tags) => [tags === 'signed' ? 'registry' : 'signed'],
  digests: (digests) => [digests === 'any' ? 'current' : 'any'],
  roots: (roots, policy) => otherRoots(roots, policy.require),
  exceptions: (exceptions) => [
    ...(exceptions.length > 0 ? [[]] : []),
    [
      ...exceptions,
      {
        digest: `sha256:${'3'.repeat(64)}` as Digest,
        reason: 'x',
        approvedBy: 'x',
        expires: new Date(NOW.getTime() + DAY),
      },
    ],
  ],
  // It matters where a more specific policy lies within.
  floor: (floor, { name }) => (['production', 'baseline'].includes(name) ? [!floor] : []),
};

const mallory = set.authorities.find((each) => each.name === 'mallory')?.keys ?? [];
const AUTHORITY = {
  name: (name: string): readonly string[] => [`${name}!`],
  keys: (keys: Authority['keys']): readonly Authority['keys'][] => [
    [],
    ...keys.map((key) => keys.filter((other) => other !== key)),
    [...mallory, ...keys],
  ],
};

interface Mutant {
  readonly field: string;
  readonly set: PolicySet;
}

function mutantsOf<T extends object, K extends keyof T & string>(
  kind: string,
  policy: Policy,
  whole: T,
  table: Mutants<Pick<T, K>>,
  rebuild: (changed: T) => PolicySet,
): readonly Mutant[] {
  return (Object.keys(table) as K[]).flatMap((field) =>
    table[field](whole[field], policy).map((value, i) => ({
      field: `${kind}.${field} of ${policy.name}, change ${i + 1}`,
      set: rebuild({ ...whole, [field]: value }),
    })),
  );
}

const replaced = <T>(list: readonly T[], old: T, next: T): readonly T[] =>
  list.map((each) => (each === old ? next : each));
const withPolicy = (old: Policy, next: Policy): PolicySet => ({
  ...set,
  policies: replaced(set.policies, old, next),
});

/** A policy that is off looks at nothing but which repositories it is for. */
const judges = (policy: Policy): readonly Mutant[] =>
  mutantsOf('policy', policy, policy, POLICY, (next) => withPolicy(policy, next)).filter(
    ({ field }) => policy.mode !== 'off' || /^policy\.(?:name|images|mode) /.test(field),
  );

const inPolicy = (policy: Policy): readonly Mutant[] => [
  ...policy.require.flatMap((rule) =>
    mutantsOf('rule', policy, rule, RULE, (next) =>
      withPolicy(policy, { ...policy, require: replaced(policy.require, rule, next) }),
    ),
  ),
  ...policy.exceptions.flatMap((exception) =>
    mutantsOf('exception', policy, exception, EXCEPTION, (next) =>
      withPolicy(policy, { ...policy, exceptions: replaced(policy.exceptions, exception, next) }),
    ),
  ),
];

const inAuthority = (authority: Authority): readonly Mutant[] =>
  (Object.keys(AUTHORITY) as (keyof Authority)[]).flatMap((field) =>
    changesOf(authority, field).map((next, i) => ({
      field: `authority.${field} of ${authority.name}, change ${i + 1}`,
      set: { ...set, authorities: replaced(set.authorities, authority, next) },
    })),
  );

const changesOf = (authority: Authority, field: keyof Authority): readonly Authority[] =>
  field === 'name'
    ? AUTHORITY.name(authority.name).map((name) => ({ ...authority, name }))
    : AUTHORITY.keys(authority.keys).map((keys) => ({ ...authority, keys }));

const mutants: readonly Mutant[] = [
  ...set.policies.flatMap((policy) => [...judges(policy), ...inPolicy(policy)]),
  ...set.authorities.filter((authority) => authority.name !== 'mallory').flatMap(inAuthority),
];

describe('flipping any field of a policy', () => {
  it('is tried for every field that there is', () => {
    const [policy] = set.policies;
    const [rule] = policy?.require ?? [];
    const [exception] = policy?.exceptions ?? [];
    const [authority] = set.authorities;
    const keys = (value: object | undefined): readonly string[] =>
      Object.keys(value ?? {}).toSorted();
    expect([...Object.keys(POLICY), ...Object.keys(NOT_JUDGED)].toSorted()).toEqual(keys(policy));
    expect(keys(RULE)).toEqual(keys(rule));
    expect(keys(EXCEPTION)).toEqual(keys(exception));
    expect(keys(AUTHORITY)).toEqual(keys(authority));
    expect(mutants.length).toBeGreaterThan(100);
  });

  it.each(mutants)('flips a golden decision: $field', ({ field, set: changed }) => {
    const show = SHOWN.some((name) => field.startsWith(name)) ? everything : verdicts;
    expect(outcome(changed, show)).not.toBe(outcome(set, show));
  });

  it.each(Object.entries(NOT_JUDGED))(
    'changes no verdict where the gate acts on it: %s (%s)',
    (field) => {
      const changed = {
        ...set,
        policies: set.policies.map((policy) => ({ ...policy, [field]: 'x' })),
      };
      expect(outcome(changed, everything)).toBe(outcome(set, everything));
    },
  );
});
