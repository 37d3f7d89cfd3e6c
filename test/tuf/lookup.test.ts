import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { unwrap } from '../../src/lib/result.ts';
import { buildTargets } from '../../src/tuf/build-files.ts';
import { parseEnvelope } from '../../src/tuf/envelope.ts';
import { lifetime } from '../../src/tuf/lifetime.ts';
import { inRole, lookUpByRoles, lookUpTag } from '../../src/tuf/lookup.ts';
import type { Root } from '../../src/tuf/root.ts';
import { verifyRoot } from '../../src/tuf/root-trust.ts';
import type { TrustedTargets } from '../../src/tuf/targets-tree.ts';
import { mayName, verifyTargets } from '../../src/tuf/targets-tree.ts';
import type { MadeRepository } from '../support/tuf.ts';
import { GUN, NOW, makeRepository, roleOf, tag } from '../support/tuf.ts';

interface Said {
  readonly tags?: Readonly<Record<string, string>>;
  /** Delegations and their paths. */
  readonly below?: Readonly<Record<string, readonly string[]>>;
}

let made: MadeRepository;
let root: Root;
beforeAll(async () => {
  made = await makeRepository();
  root = unwrap(
    verifyRoot(made.files.get('root') as Buffer, { gun: GUN, now: NOW, expiry: 'required' }),
  );
});

/** Makes and verifies a tree of roles, in the given order. */
async function treeOf(said: Readonly<Record<string, Said>>) {
  const verified = new Map<string, TrustedTargets>();
  for (const [name, { tags = {}, below = {} }] of Object.entries(said)) {
    const targets = new Map(Object.entries(tags).map(([one, content]) => [one, tag(content)]));
    const delegations = Object.entries(below).map(([role, paths]) => ({
      ...roleOf(role, [made.hands.alice]),
      paths,
    }));
    const signers = [name === 'targets' ? made.hands.targets : made.hands.alice];
    const bytes = await buildTargets(
      { targets, delegations },
      { version: 1, expires: lifetime(name, NOW), signers },
    );
    verified.set(
      name,
      unwrap(verifyTargets(name, unwrap(parseEnvelope(bytes)), { root, verified, now: NOW })),
    );
  }
  return { roles: verified, unreadable: new Map() };
}

const ALL = [''];
const digest = (content: string) => `sha256:${tag(content).sha256}`;

describe('looking up a tag', () => {
  it('T-26: releases goes before targets, and nobody else speaks for a tag', async () => {
    const tree = await treeOf({
      targets: {
        tags: { both: 'targets', old: 'old' },
        below: { 'targets/evil': ALL, 'targets/releases': ALL },
      },
      'targets/evil': { tags: { both: 'evil', old: 'evil', only: 'evil' } },
      'targets/releases': { tags: { both: 'releases' } },
    });
    expect(lookUpTag(tree, 'both')).toMatchObject({
      entry: { role: 'targets/releases', digest: digest('releases') },
    });
    expect(lookUpTag(tree, 'old')).toMatchObject({
      entry: { role: 'targets', digest: digest('old') },
    });
    expect(lookUpTag(tree, 'only')).toEqual({ kind: 'absent' });
  });

  it('T-26: a role below releases ends the search as docker’s does, and is not released', async () => {
    const tree = await treeOf({
      targets: { tags: { tag: 'targets' }, below: { 'targets/releases': ALL } },
      'targets/releases': { below: { 'targets/releases/deep': ALL } },
      'targets/releases/deep': { tags: { tag: 'deep' } },
    });
    expect(lookUpTag(tree, 'tag')).toEqual({ kind: 'absent' });
    expect(inRole(tree, 'targets/releases/deep', 'tag')).toMatchObject({
      entry: { digest: digest('deep') },
    });
  });

  it('T-26: a role speaks only for its paths, cut to its parents’', async () => {
    const tree = await treeOf({
      targets: {
        below: { 'targets/a': ['prod-'], 'targets/none': [], 'targets/releases': ['prod-'] },
      },
      'targets/a': {
        tags: { 'prod-1': 'a', 'dev-1': 'a' },
        below: { 'targets/a/b': ['', 'prod-eu-', 'dev-'] },
      },
      'targets/a/b': { tags: { 'prod-eu-1': 'b', 'prod-us-1': 'b', 'dev-1': 'b' } },
      'targets/none': { tags: { 'prod-1': 'none' } },
      'targets/releases': { tags: { 'prod-1': 'r', 'dev-1': 'r' } },
    });
    const says = (role: string, name: string) => inRole(tree, role, name).kind;
    expect([says('targets/a', 'prod-1'), says('targets/a', 'dev-1')]).toEqual(['signed', 'absent']);
    expect(tree.roles.get('targets/a/b')?.paths).toEqual(['prod-eu-']);
    expect([
      says('targets/a/b', 'prod-eu-1'),
      says('targets/a/b', 'prod-us-1'),
      says('targets/a/b', 'dev-1'),
    ]).toEqual(['signed', 'absent', 'absent']);
    expect(says('targets/none', 'prod-1')).toBe('absent');
    expect([lookUpTag(tree, 'prod-1').kind, lookUpTag(tree, 'dev-1').kind]).toEqual([
      'signed',
      'absent',
    ]);
  });

  it('T-26: roles that disagree about a tag are a conflict', async () => {
    const below = { 'targets/alice': ALL, 'targets/bob': ALL };
    const tree = await treeOf({
      targets: { below },
      'targets/alice': { tags: { same: 'x', other: 'x', alone: 'x' } },
      'targets/bob': { tags: { same: 'x', other: 'y' } },
    });
    const conflict = (name: string) => lookUpByRoles(tree, name, Object.keys(below)).conflict;
    expect([conflict('same'), conflict('other'), conflict('alone'), conflict('none')]).toEqual([
      false,
      true,
      false,
      false,
    ]);
  });

  it('T-26: delegations to a stranger’s child, or twice to one name, are refused', async () => {
    await expect(treeOf({ targets: { below: { 'targets/a/b': ALL } } })).rejects.toThrow(
      'targets type metadata invalid: delegation role targets/a/b invalid',
    );
    await expect(treeOf({ targets: { below: { root: ALL } } })).rejects.toThrow(/invalid/);
    const role = { ...roleOf('targets/a', [made.hands.alice]), paths: ALL };
    const file = { version: 1, expires: lifetime('targets', NOW), signers: [made.hands.targets] };
    const twice = await buildTargets({ targets: new Map(), delegations: [role, role] }, file);
    expect(
      verifyTargets('targets', unwrap(parseEnvelope(twice)), {
        root,
        verified: new Map(),
        now: NOW,
      }),
    ).toMatchObject({
      refusal: { message: 'targets type metadata invalid: delegation role targets/a listed twice' },
    });
  });

  it('tags with the names of JavaScript’s own members are tags like any other', async () => {
    const tree = await treeOf({
      targets: {
        tags: Object.fromEntries([
          ['__proto__', 'x'],
          ['constructor', 'y'],
        ]),
      },
    });
    expect(lookUpTag(tree, '__proto__')).toMatchObject({ entry: { digest: digest('x') } });
    expect(lookUpTag(tree, 'toString')).toEqual({ kind: 'absent' });
  });
});

/** Counts how often a role is looked at. */
class CountedRoles extends Map<string, TrustedTargets> {
  looks = 0;

  override get(name: string): TrustedTargets | undefined {
    this.looks++;
    return super.get(name);
  }
}

describe('a tree that somebody made large', () => {
  it('T-60: is walked once, however many tags are asked for', async () => {
    const below = Array.from({ length: 100 }, (_, n) => `targets/releases/role${n}`);
    // None of them may name the tags; all of them have to be looked at.
    const paths = Array.from({ length: 50 }, (_, n) => `elsewhere${n}`);
    const tags = Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`v${n}`, 'same']));
    const { roles, unreadable } = await treeOf({
      targets: { tags, below: { 'targets/releases': ALL } },
      'targets/releases': { below: Object.fromEntries(below.map((role) => [role, paths])) },
      ...Object.fromEntries(below.map((role) => [role, { tags: { elsewhere1: 'x', v1: 'x' } }])),
    });
    const counted = new CountedRoles(roles);
    const tree = { roles: counted, unreadable };
    const found = Object.keys(tags).map((name) => lookUpTag(tree, name));
    expect(found.every((one) => one.kind === 'signed' && one.entry.role === 'targets')).toBe(true);
    expect(lookUpTag(tree, 'elsewhere1')).toEqual({ kind: 'absent' });
    // Once for each tag that is found, and once for each role of each walk.
    expect(counted.looks).toBeLessThan(2 * (1000 + below.length));
  });

  it('T-26: a tag is a role’s where it begins with one of its paths, whatever paths there are', () => {
    const text = fc.string({
      unit: fc.constantFrom('a', 'b', 'é', '\u{1f600}', '\uff5e'),
      maxLength: 4,
    });
    fc.assert(
      fc.property(fc.array(text, { maxLength: 8 }), text, (paths, name) => {
        expect(mayName({ paths }, name)).toBe(paths.some((path) => name.startsWith(path)));
      }),
      { numRuns: 2000 },
    );
  });

  it('T-60: paths of a thousand lengths, each as long as a file has room for, stop nobody', () => {
    const long = (length: number, end: string): string => `${'a'.repeat(length)}${end}`;
    const paths = Array.from({ length: 1000 }, (_, n) => long(15_000 + n, 'b'));
    // As many as the test would not live to see the end of, were each length tried for each.
    const handedOn = Array.from({ length: 5000 }, (_, n) => long(16_300, `c${n}`));
    expect(handedOn.filter((path) => mayName({ paths }, path))).toEqual([]);
    expect(mayName({ paths }, long(15_500, 'bc'))).toBe(true);
  });
});
