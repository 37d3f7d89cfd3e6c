import { describe, expect, it } from 'vitest';
import { pinnedRoots } from '../../src/app/pinned-roots.ts';
import type { Governing, Policy } from '../../src/policy/policy.ts';
import { repo } from '../support/store.ts';

const A = 'a'.repeat(64);
const B = 'b'.repeat(64);
const C = 'c'.repeat(64);

const policy = (roots: readonly string[], rules: readonly (readonly string[])[]): Policy => ({
  name: 'p',
  images: [],
  mode: 'enforce',
  push: 'hold',
  tags: 'signed',
  require: rules.map((own) => ({
    by: ['@repository'],
    atLeast: 1,
    formats: ['dct'],
    maxAge: null,
    roots: own,
  })),
  signedAs: [],
  bindTag: false,
  digests: 'any',
  roots,
  blobs: 'open',
  delete: 'deny',
  holdFor: 0,
  authGrace: 0,
  exceptions: [],
  floor: false,
  source: 'p.yaml:1',
});
const governing = (own: Policy, ...floors: readonly Policy[]): Governing => ({
  policy: own,
  signedNames: [],
  floors: floors.map((floor) => ({ policy: floor, signedNames: [] })),
  revision: 'r',
});
const pins = (found: Governing | null): unknown => pinnedRoots(repo('app'), () => found);

describe('the roots that policy pins', () => {
  it('are those of the policy, of its rules and of floors, each a list of its own: all hold', () => {
    expect(pins(governing(policy([A], [[], [B, C]]), policy([C], [[]])))).toEqual([
      [A],
      [B, C],
      [C],
    ]);
  });

  it('are none where nothing is pinned, or nothing governs', () => {
    expect(pins(governing(policy([], [[]]), policy([], [])))).toBeNull();
    expect(pins(null)).toBeNull();
  });
});
