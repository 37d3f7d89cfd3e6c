import { REPOSITORY } from '../trust/format.ts';
import type { Policy, PolicySet } from './policy.ts';

/** An exception that ends this soon is worth a word now. */
const SOON_MS = 14 * 86_400_000;

/**
 * What loads but deserves a second look: settings that let things through, evidence that never grows
 * old, exceptions that end, names that nobody uses. One sentence each, with its place.
 */
export function lint(set: PolicySet, now: Date): readonly string[] {
  const asked = new Set(
    set.policies.flatMap((policy) => policy.require.flatMap((rule) => rule.by)),
  );
  return [
    ...set.authorities.flatMap((authority) => {
      if (!asked.has(authority.name)) return `authority ${authority.name}: no policy asks for it`;
      return authority.keys.length === 1
        ? `authority ${authority.name}: has one key only; a second one, kept offline, survives the loss of the first`
        : [];
    }),
    ...set.policies.flatMap((policy) =>
      lintPolicy(policy, now).map((text) => `${policy.source}: policy ${policy.name} ${text}`),
    ),
  ];
}

/**
 * Policies for hosts that a service does not answer for, one sentence each: they look as if they
 * protected something. `hosts` are the canonical names of its registries.
 */
export function lintHosts(set: PolicySet, hosts: readonly string[]): readonly string[] {
  return set.policies.flatMap(({ name, source, images }) => {
    const named = images.map(({ segments }) => segments[0] ?? '');
    if (named.some((host) => host === '**' || hosts.includes(host))) return [];
    return `${source}: policy ${name} governs nothing here: it is for ${[...new Set(named)].join(', ')}, and the service answers for ${hosts.join(', ')}`;
  });
}

function lintPolicy(policy: Policy, now: Date): readonly string[] {
  const warnings: string[] = [];
  if (policy.mode === 'off') {
    return [policy.floor ? 'is a floor that is off: it holds nothing' : 'is off: it does not look'];
  }
  if (policy.mode === 'warn') warnings.push('only warns: everything is let through');
  if (policy.require.length === 0) warnings.push('requires nothing, so that it always warns');
  const dct = policy.require.some((rule) => rule.formats.includes('dct'));
  if (dct && policy.push === 'reject') {
    warnings.push(
      'asks for dct with push: reject: docker signs after it has pushed, so that its push gives no new tag; use push: hold',
    );
  }
  const unpinned = policy.require.some(
    (rule) => rule.by.includes(REPOSITORY.name) && rule.roots.length + policy.roots.length === 0,
  );
  if (unpinned) {
    warnings.push(
      'trusts whoever begins a repository first (@repository without roots): pin the roots, or restrict who may push',
    );
  }
  if (policy.push === 'allow') warnings.push('lets every push give a tag, signed or not');
  if (policy.mode === 'enforce' && policy.require.some((rule) => rule.maxAge === null)) {
    warnings.push('has no maxAge: a signature counts for ever');
  }
  for (const { digest, expires } of policy.exceptions) {
    const left = expires.getTime() - now.getTime();
    const day = expires.toISOString().slice(0, 10);
    if (left <= 0)
      warnings.push(`has an exception for ${digest} that expired on ${day}: remove it`);
    else if (left <= SOON_MS) warnings.push(`has an exception for ${digest} that ends on ${day}`);
  }
  return warnings;
}
