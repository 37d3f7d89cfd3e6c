import { CountersignError } from '../lib/errors.ts';
import type { Repository } from '../oci/reference.ts';
import { repositoryOf, splitRepository } from '../oci/reference.ts';
import type { Authority, FormatName, Verifier } from '../trust/format.ts';
import { REPOSITORY } from '../trust/format.ts';
import type { Decision } from './decision.ts';
import { compareSpecificity, literalFront, matchesPattern } from './pattern.ts';
import type { Governing, Judging, Pattern, Policy, PolicySet } from './policy.ts';

/** A policy that matches a repository, with the most specific of its patterns that do. */
export interface Match {
  readonly policy: Policy;
  readonly pattern: Pattern;
}

/** Every policy that matches the repository, the most specific first. */
export function matchesOf(set: PolicySet, repository: Repository): readonly Match[] {
  const matches: Match[] = [];
  for (const policy of set.policies) {
    let best: Pattern | undefined;
    for (const pattern of policy.images) {
      if (!matchesPattern(pattern, repository)) continue;
      if (best === undefined || (compareSpecificity(pattern, best) ?? 0) < 0) best = pattern;
    }
    if (best !== undefined) matches.push({ policy, pattern: best });
  }
  return matches.toSorted((a, b) => {
    const order = compareSpecificity(a.pattern, b.pattern);
    // Loading refuses such pairs; choosing one of them here could choose the laxer.
    if (order === undefined) {
      throw new CountersignError(
        'POLICY_INVALID',
        `policies ${a.policy.name} (${a.policy.source}) and ${b.policy.name} (${b.policy.source}) are equally specific for ${repository}`,
      );
    }
    return order;
  });
}

/**
 * What governs a repository: the most specific policy, and every floor that matches besides; `null`
 * where no policy matches. `hostAliases` are the other names of the repository's host. The caller
 * remembers the answer per repository and revision.
 */
export function govern(
  set: PolicySet,
  repository: Repository,
  hostAliases: readonly string[],
): Governing | null {
  const [first, ...rest] = matchesOf(set, repository);
  if (first === undefined) return null;
  const judging = (match: Match): Judging => ({
    policy: match.policy,
    signedNames: signedNames(match, repository, hostAliases),
  });
  return {
    ...judging(first),
    floors: rest.filter((match) => match.policy.floor).map(judging),
    revision: set.revision,
  };
}

function signedNames(
  match: Match,
  repository: Repository,
  hostAliases: readonly string[],
): readonly Repository[] {
  const { path } = splitRepository(repository);
  const names = new Set<Repository>([repository]);
  const add = (host: string, rest: string): void => {
    const name = repositoryOf(host, rest);
    if (name.ok) names.add(name.value);
  };
  for (const alias of hostAliases) add(alias, path);
  const rest = repository.slice(literalFront(match.pattern).length);
  for (const front of match.policy.signedAs) {
    const name = `${front}${rest}`;
    const slash = name.indexOf('/');
    if (slash > 0) add(name.slice(0, slash), name.slice(slash + 1));
  }
  return [...names];
}

/** What must be looked for to judge a repository, over its policy and all floors. */
export interface Asked {
  readonly formats: readonly FormatName[];
  readonly authorities: readonly string[];
  /** True where the tag that was asked for bears on the verdict, so that a cached one is keyed by it. */
  readonly bindsTag: boolean;
  /** True where the signed map says what a tag is, not the registry. */
  readonly signedTags: boolean;
}

/** The policies whose mode is not off. */
const looking = (governing: Governing): readonly Policy[] =>
  [governing, ...governing.floors]
    .map((judging) => judging.policy)
    .filter((policy) => policy.mode !== 'off');

/** The evidence that the policies which look (`mode` is not off) ask for. */
export function askedBy(governing: Governing): Asked {
  const policies = looking(governing);
  const rules = policies.flatMap((policy) => policy.require);
  return {
    formats: [...new Set(rules.flatMap((rule) => rule.formats))],
    authorities: [...new Set(rules.flatMap((rule) => rule.by))],
    bindsTag: policies.some((policy) => policy.bindTag || policy.tags === 'signed'),
    signedTags: policies.some((policy) => policy.tags === 'signed'),
  };
}

/** The verifiers and authorities that bear on a repository, of those that there are. */
export interface AskedOf {
  readonly verifiers: readonly Verifier[];
  readonly authorities: readonly Authority[];
}

/** As {@link askedBy}, with the verifiers and the keys themselves: what evidence is looked for by. */
export function askedOf(
  governing: Governing,
  authorities: readonly Authority[],
  verifiers: readonly Verifier[],
): AskedOf {
  const asked = askedBy(governing);
  return {
    verifiers: verifiers.filter(({ name }) => asked.formats.includes(name)),
    authorities: [...authorities, REPOSITORY].filter(({ name }) =>
      asked.authorities.includes(name),
    ),
  };
}

/** Those who say what a tag is where the signed map is asked, in the order in which the policies name them. */
export function mapAuthorities(
  governing: Governing,
  authorities: readonly Authority[],
): readonly Authority[] {
  const rules = looking(governing)
    .flatMap((policy) => policy.require)
    .filter((rule) => rule.formats.includes('dct'));
  const names = new Set(rules.flatMap((rule) => rule.by));
  const known = [...authorities, REPOSITORY];
  return [...names].flatMap((name) => known.find((authority) => authority.name === name) ?? []);
}

/** True for a decision taken without evidence that no evidence can change: none is worth looking for. */
export function isSettled({ reason }: Decision): boolean {
  return ['REVOKED', 'NO_POLICY', 'OFF', 'EXCEPTION'].includes(reason.code);
}
