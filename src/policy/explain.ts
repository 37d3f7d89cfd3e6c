import type { Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
import { formatDuration } from './duration.ts';
import { govern, matchesOf } from './match.ts';
import type { Exception, Mode, Policy, PolicySet, SignatureRule } from './policy.ts';

/** One policy's part in the answer. */
export interface ExplainedPolicy {
  readonly name: string;
  /** `file:line`. */
  readonly source: string;
  /** The most specific of its patterns that match. */
  readonly pattern: string;
  readonly role: 'governs' | 'floor' | 'less specific';
  readonly mode: Mode;
  /** What must hold, a sentence each. */
  readonly requires: readonly string[];
  /** Names under which signatures count; empty for a policy that has no say. */
  readonly signedNames: readonly Repository[];
  /** The exception that it has for the digest, if one was asked about. */
  readonly exception: Exception | null;
}

/** Which policies bear on a repository, the most specific first; an empty list means that nothing governs it. */
export interface Explanation {
  readonly repository: Repository;
  readonly revision: string;
  readonly policies: readonly ExplainedPolicy[];
  /** The settings of the governing policy that the gate acts on. */
  readonly settings: Readonly<Record<string, string>>;
}

/** Explains which policy governs a repository and why. */
export function explain(
  set: PolicySet,
  repository: Repository,
  hostAliases: readonly string[],
  digest: Digest | null,
): Explanation {
  const governing = govern(set, repository, hostAliases);
  const policies = matchesOf(set, repository).map(({ policy, pattern }): ExplainedPolicy => {
    const floor = governing?.floors.find((each) => each.policy === policy);
    const judging = governing?.policy === policy ? governing : floor;
    return {
      name: policy.name,
      source: policy.source,
      pattern: pattern.text,
      role: judging === undefined ? 'less specific' : judging === floor ? 'floor' : 'governs',
      mode: policy.mode,
      requires: policy.require.map((rule) => requirement(rule, policy)),
      signedNames: judging?.signedNames ?? [],
      exception: policy.exceptions.find((each) => each.digest === digest) ?? null,
    };
  });
  return {
    repository,
    revision: set.revision,
    policies,
    settings: governing === null ? {} : settingsOf(governing.policy),
  };
}

function requirement(rule: SignatureRule, policy: Policy): string {
  const who = rule.by.length === 1 ? rule.by[0] : `${rule.atLeast} of ${rule.by.join(', ')}`;
  const age = rule.maxAge === null ? '' : `, not older than ${formatDuration(rule.maxAge)}`;
  const tag = policy.bindTag ? ', naming the tag' : '';
  const pins = [policy.roots, rule.roots].filter((roots) => roots.length > 0);
  const root = pins.map(
    (roots) => `, under a root of ${roots.map((id) => id.slice(0, 12)).join(', ')}`,
  );
  return `signed by ${who} (${rule.formats.join(' or ')})${age}${tag}${root.join('')}`;
}

function settingsOf(policy: Policy): Readonly<Record<string, string>> {
  return {
    push: policy.push,
    tags: policy.tags,
    digests: policy.digests,
    blobs: policy.blobs,
    delete: policy.delete,
    holdFor: formatDuration(policy.holdFor),
    authGrace: formatDuration(policy.authGrace),
  };
}
