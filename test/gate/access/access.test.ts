import { describe, expect, it } from 'vitest';
import type { AccessRule, Right } from '../../../src/gate/access/access.ts';
import { createAccess } from '../../../src/gate/access/access.ts';
import { unwrap } from '../../../src/lib/result.ts';
import { parsePattern } from '../../../src/policy/pattern.ts';

const hosts = { registryHost: 'r.example.com' };
const rule = (repositories: string[], rights: Partial<Record<Right, string[]>>): AccessRule => ({
  repositories: repositories.map((text) => unwrap(parsePattern(text, hosts))),
  pull: [],
  push: [],
  delete: [],
  admin: [],
  ...rights,
});

const user = (name: string) => ({ name, authenticated: true, loopback: false });
const nobody = { name: 'anonymous', authenticated: false, loopback: false };
const RIGHTS: readonly Right[] = ['pull', 'push', 'delete', 'admin'];

describe('access rules', () => {
  const access = createAccess(
    [
      rule(['r.example.com/team/**'], {
        pull: ['*'],
        push: ['ci'],
        delete: ['janitor'],
        admin: ['alice'],
      }),
      rule(['r.example.com/public/*'], { pull: ['anonymous'] }),
      rule(['r.example.com/team/special'], { push: ['bob'] }),
    ],
    true,
  );
  const rightsOf = (who: Parameters<typeof access.may>[0], repository: string): string[] =>
    RIGHTS.filter((right) => access.may(who, right, repository));

  it.each([
    [
      'a pusher may pull (any identity) and push, not delete',
      user('ci'),
      'r.example.com/team/app',
      ['pull', 'push'],
    ],
    [
      'a janitor may delete and not push',
      user('janitor'),
      'r.example.com/team/app',
      ['pull', 'delete'],
    ],
    [
      'an administrator may administer and not push',
      user('alice'),
      'r.example.com/team/app',
      ['pull', 'admin'],
    ],
    ['any identity may pull', user('eve'), 'r.example.com/team/a/b/c', ['pull']],
    ['nobody in particular may not', nobody, 'r.example.com/team/app', []],
    ['what is not listed is denied', user('ci'), 'r.example.com/other', []],
    ['the pattern is anchored', user('ci'), 'r.example.com/team', []],
    [
      'a repository of that name on another host is another one',
      user('ci'),
      'x.example.com/team/app',
      [],
    ],
    ['anonymous is everybody', nobody, 'r.example.com/public/x', ['pull']],
    ['anonymous is also who logged in', user('eve'), 'r.example.com/public/x', ['pull']],
    ['a star stays in its segment', nobody, 'r.example.com/public/x/y', []],
    ['rules add up', user('bob'), 'r.example.com/team/special', ['pull', 'push']],
  ])('%s', (_, who, repository, rights) => {
    expect(rightsOf(who, repository)).toEqual(rights);
  });

  it('does not take an unauthenticated caller for the user whose name it bears', () => {
    expect(rightsOf({ ...user('ci'), authenticated: false }, 'r.example.com/team/app')).toEqual([]);
  });

  it('gives no more on loopback where there are identities', () => {
    expect(rightsOf({ ...nobody, loopback: true }, 'r.example.com/team/app')).toEqual([]);
  });

  it('gives nothing at all without rules', () => {
    expect(createAccess([], true).may(user('ci'), 'pull', 'r.example.com/a')).toBe(false);
  });

  it('leaves pulls, pushes and deletes to upstream without identities, and administration to this machine', () => {
    const open = createAccess([], false);
    const rights = (loopback: boolean): Right[] =>
      RIGHTS.filter((right) => open.may({ ...nobody, loopback }, right, 'r.example.com/a'));
    expect(rights(false)).toEqual(['pull', 'push', 'delete']);
    expect(rights(true)).toEqual(RIGHTS);
  });

  it('knows who has a right everywhere', () => {
    const everywhere = createAccess(
      [
        rule(['**'], { admin: ['root'] }),
        rule(['r.example.com/**'], { admin: ['alice'] }),
        rule(['r.example.com/*'], { admin: ['bob'] }),
      ],
      true,
    );
    const admins = (of: readonly string[]): string[] =>
      ['root', 'alice', 'bob'].filter((name) => everywhere.mayEverywhere(user(name), 'admin', of));
    expect(admins(['r.example.com'])).toEqual(['root', 'alice']);
    expect(admins(['r.example.com', 's.example.com'])).toEqual(['root']);
    expect(admins([])).toEqual(['root']);
    expect(createAccess([], false).mayEverywhere(nobody, 'admin', [])).toBe(false);
    expect(createAccess([], false).mayEverywhere({ ...nobody, loopback: true }, 'admin', [])).toBe(
      true,
    );
  });
});
