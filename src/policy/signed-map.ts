import type { Finding, MapEntry } from '../trust/format.ts';
import type { RootSignatures } from '../tuf/root-pin.ts';
import { meetsPin } from '../tuf/root-pin.ts';
import type { Policy, SignatureRule } from './policy.ts';
import type { Circumstances, CountedRule, Shortfall } from './quorum.ts';

/**
 * Why an entry of the signed map (`dct`) does not count for a rule, apart from what all signatures are
 * asked; `null` where it counts, and for every other format.
 */
export function entryShortfall(
  finding: Finding,
  rule: CountedRule,
  circumstances: Circumstances,
): Shortfall | null {
  if (finding.format !== 'dct') return null;
  const { entry, signed } = finding;
  const { policy, tag, now } = circumstances;
  if (entry === undefined || signed === null || signed.tag === null) return 'no tag';
  // Written this way round, an end that is no number has passed.
  if (!(now.getTime() < entry.expires.getTime())) return 'expired';
  if (!isPinned(entry.root, policy.roots) || !isPinned(entry.root, rule.roots)) return 'other root';
  if (!entry.current && !mayBePast(rule, circumstances)) return 'no longer signed';
  if (rule.map === true && policy.tags === 'signed' && tag !== null && signed.tag !== tag) {
    return 'other tag';
  }
  return isContradicted(entry, circumstances) ? 'conflict' : null;
}

function isPinned(root: RootSignatures, pins: readonly string[]): boolean {
  return pins.length === 0 || meetsPin(root, pins);
}

/**
 * Whether an entry counts that the map no longer has: a digest that was trusted once stays so, but no
 * name is given by it, and none is told by it where the map or the signature says what a name is.
 */
function mayBePast(rule: CountedRule, { policy, tag, action }: Circumstances): boolean {
  if (policy.digests === 'current' || rule.map === true) return false;
  if (tag === null) return true;
  return action === 'pull' && !policy.bindTag && policy.tags === 'registry';
}

/** Somebody who is asked for says now that the tag is something else (T-26); whose key was revoked says nothing. */
function isContradicted(
  { contradictedBy }: MapEntry,
  { policy, revokedKeys }: Circumstances,
): boolean {
  const asked = dctRules(policy).flatMap((rule) => rule.by);
  return contradictedBy.some(
    ({ authority, keyId }) => asked.includes(authority) && !revokedKeys.has(keyId),
  );
}

const dctRules = (policy: Policy): readonly SignatureRule[] =>
  policy.require.filter((rule) => rule.formats.includes('dct'));

/**
 * What a policy asks of the signed map itself, besides its rules: under `tags: signed`, that it says
 * that the tag asked for is this digest; under `digests: current`, that it says so of any tag. One of
 * those asked for in `dct` must have said it, as their rule counts it: one of these rules must be met.
 * `null` where nothing is asked.
 */
export function mapRules({ policy, tag }: Circumstances): readonly CountedRule[] | null {
  const asked = policy.digests === 'current' || (policy.tags === 'signed' && tag !== null);
  if (!asked) return null;
  return dctRules(policy).map((rule) => ({ ...rule, atLeast: 1, formats: ['dct'], map: true }));
}
