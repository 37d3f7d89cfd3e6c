import { posix } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ancestorsOf, byDepth, isDelegation, isRoleName } from '../../src/tuf/role-name.ts';

/** Notary's own rule, as its source has it. */
function notarys(name: string): boolean {
  return (
    name.startsWith('targets/') &&
    /^[-a-z0-9_/]+$/.test(name) &&
    name.length < 256 &&
    posix.normalize(name).replace(/\/$/, '') === name
  );
}

describe('role names', () => {
  it("are those of Notary's rule", () => {
    const segment = fc.string({
      unit: fc.constantFrom('a', 'Z', '0', '_', '-', '.', '/', 'é', ' '),
      maxLength: 8,
    });
    const names = fc.tuple(fc.constantFrom('targets/', 'targets', 'root/', ''), segment);
    fc.assert(
      fc.property(names, (parts) => {
        expect(isDelegation(parts.join(''))).toBe(notarys(parts.join('')));
      }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 240, max: 260 }), (length) => {
        const name = `targets/${'a'.repeat(length - 8)}`;
        expect(isDelegation(name)).toBe(notarys(name));
      }),
    );
  });

  it.each([
    'bogus',
    'targets/',
    'targets/A',
    'targets/a/../b',
    'targets//a',
    'targets/a/',
    'Root',
    '',
    'targets/a\n',
    'root.json',
  ])('refuses %j', (name) => {
    expect(isRoleName(name)).toBe(false);
  });

  it('tells the roles above, parents first', () => {
    expect(ancestorsOf('targets/a/b')).toEqual(['targets', 'targets/a']);
    expect(ancestorsOf('targets')).toEqual([]);
    expect(['targets/a/b', 'targets/b', 'targets', 'targets/a'].toSorted(byDepth)).toEqual([
      'targets',
      'targets/a',
      'targets/b',
      'targets/a/b',
    ]);
  });
});
