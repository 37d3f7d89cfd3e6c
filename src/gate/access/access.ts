import { matchesPattern } from '../../policy/pattern.ts';
import type { Pattern } from '../../policy/policy.ts';
import type { Caller } from './caller.ts';

/** What an identity may be given in a repository. Deleting is never part of pushing (T-34). */
export type Right = 'pull' | 'push' | 'delete' | 'admin';

/** Any identity that logged in. */
export const ANY_IDENTITY = '*';
/** Nobody in particular: a right given to `anonymous` is everybody's, logged in or not. */
export const ANONYMOUS = 'anonymous';

/** One entry of `access`: who may do what in the repositories that a pattern matches. */
export interface AccessRule {
  readonly repositories: readonly Pattern[];
  readonly pull: readonly string[];
  readonly push: readonly string[];
  readonly delete: readonly string[];
  readonly admin: readonly string[];
}

/** The part of a caller that rights depend on. */
type Who = Pick<Caller, 'name' | 'authenticated' | 'loopback'>;

/** The service's own access rules. */
export interface Access {
  /** True where there are no identities: pull, push and delete are upstream's to judge. */
  readonly open: boolean;
  /** True where the rules give the caller the right in the repository (canonical name). Pure. */
  may(caller: Who, right: Right, repository: string): boolean;
  /** True where they give it in any repository at all. */
  mayAnywhere(caller: Who, right: Right): boolean;
  /** True where they give it in every repository of every one of the hosts, those to come included. */
  mayEverywhere(caller: Who, right: Right, hosts: readonly string[]): boolean;
}

/**
 * Answers by the rules where there are identities: what no rule gives is denied, and rules only add
 * up. Without identities pull, push and delete are upstream's to judge, so everybody may; admin is
 * for callers on this machine.
 */
export function createAccess(rules: readonly AccessRule[], identitiesConfigured: boolean): Access {
  const given = (caller: Who, right: Right): readonly Pattern[] =>
    rules.filter((rule) => names(rule[right], caller)).flatMap((rule) => rule.repositories);
  const open = (caller: Who, right: Right): boolean => right !== 'admin' || caller.loopback;
  return {
    open: !identitiesConfigured,
    may: (caller, right, repository) =>
      identitiesConfigured
        ? given(caller, right).some((pattern) => matchesPattern(pattern, repository))
        : open(caller, right),
    mayAnywhere: (caller, right) =>
      identitiesConfigured ? given(caller, right).length > 0 : open(caller, right),
    mayEverywhere(caller, right, hosts) {
      if (!identitiesConfigured) return open(caller, right);
      const texts = given(caller, right).map((pattern) => pattern.text);
      if (texts.includes('**')) return true;
      return hosts.length > 0 && hosts.every((host) => texts.includes(`${host}/**`));
    },
  };
}

function names(list: readonly string[], caller: Who): boolean {
  if (list.includes(ANONYMOUS)) return true;
  return caller.authenticated && (list.includes(ANY_IDENTITY) || list.includes(caller.name));
}
