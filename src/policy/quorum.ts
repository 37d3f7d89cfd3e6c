import type { Repository } from '../oci/reference.ts';
import type { Finding } from '../trust/format.ts';
import type { Action } from './decision.ts';
import type { Policy, SignatureRule } from './policy.ts';
import { entryShortfall, mapRules } from './signed-map.ts';

/** A signing time may lie this far ahead of our clock: two honest machines differ by less. */
const CLOCK_SKEW_MS = 5 * 60_000;

/** What findings are counted against. */
export interface Circumstances {
  readonly policy: Policy;
  readonly signedNames: readonly Repository[];
  readonly action: Action;
  /** The tag that was asked for; `null` when asked by digest. */
  readonly tag: string | null;
  readonly revokedKeys: ReadonlySet<string>;
  readonly now: Date;
}

/** A rule as it is counted; with `map`, what the signed map itself is asked by it. */
export interface CountedRule extends SignatureRule {
  readonly map?: boolean;
}

/** Why a valid signature does not count, in the few words that a refusal has room for. */
export type Shortfall =
  | 'key revoked'
  | 'not asked for'
  | 'wrong format'
  | 'no name'
  | 'other name'
  | 'no tag'
  | 'other tag'
  | 'no signing time'
  | 'future date'
  | 'too old'
  | 'expired'
  | 'other root'
  | 'no longer signed'
  | 'conflict';

/** How one rule of `require` stands. */
export interface Tally {
  readonly rule: CountedRule;
  readonly met: boolean;
  /** The authorities that were counted. */
  readonly signers: readonly string[];
  /** The rule would be met if everything inconclusive turned out well. */
  readonly possible: boolean;
  /** The rule would be met if no key had been revoked. */
  readonly metButForRevokedKeys: boolean;
  /** The last instant at which the rule is still met by what was counted; `null`: no end. */
  readonly until: Date | null;
}

/** How every rule of the policy stands, and what it asks of the signed map besides. */
export function tallies(
  findings: readonly Finding[],
  circumstances: Circumstances,
): readonly Tally[] {
  const rules = circumstances.policy.require.map((rule) => tally(rule, findings, circumstances));
  const map = mapRules(circumstances)?.map((rule) => tally(rule, findings, circumstances));
  if (map === undefined) return rules;
  // One of them is enough: the one that is met, or comes nearest to it. Without any the map says nothing.
  const nearest = [
    map.find((each) => each.met),
    map.find((each) => each.possible),
    map.find((each) => each.metButForRevokedKeys),
    map[0],
  ].find((each) => each !== undefined);
  return [...rules, nearest ?? NOBODY_ASKED];
}

const NOBODY_ASKED: Tally = {
  rule: { by: [], atLeast: 1, formats: ['dct'], maxAge: null, roots: [], map: true },
  met: false,
  signers: [],
  possible: false,
  metButForRevokedKeys: false,
  until: null,
};

/** Counts distinct authorities for one rule: neither keys nor signatures, which one person can have many of. */
export function tally(
  rule: CountedRule,
  findings: readonly Finding[],
  circumstances: Circumstances,
): Tally {
  // For each authority, until when its longest-lived signature counts (milliseconds).
  const counted = new Map<string, number>();
  const revoked = new Set<string>();
  const hoped = new Set<string>();
  for (const finding of findings) {
    if (finding.status === 'inconclusive') {
      for (const name of couldSpeakFor(finding, rule, circumstances)) hoped.add(name);
      continue;
    }
    if (finding.status !== 'valid' || finding.authority === null) continue;
    const shortfall = shortfallOf(finding, rule, circumstances);
    if (shortfall === 'key revoked') revoked.add(finding.authority);
    if (shortfall !== null) continue;
    const until = countsUntil(finding, rule);
    counted.set(finding.authority, Math.max(until, counted.get(finding.authority) ?? until));
  }
  const reaches = (more: ReadonlySet<string>): boolean =>
    new Set([...counted.keys(), ...more]).size >= rule.atLeast;
  const met = reaches(new Set());
  // The rule fails when fewer than atLeast are left: with the atLeast-th of those that count longest.
  const ends = [...counted.values()].toSorted((a, b) => b - a)[rule.atLeast - 1] ?? Infinity;
  return {
    rule,
    met,
    signers: [...counted.keys()],
    possible: reaches(hoped),
    metButForRevokedKeys: reaches(revoked),
    until: met && ends !== Infinity ? new Date(ends) : null,
  };
}

/**
 * Why a valid finding does not count for the rule; `null` where it counts. The revoked key is asked
 * about last, so that "key revoked" says that everything else was in order.
 */
export function shortfallOf(
  finding: Finding,
  rule: CountedRule,
  circumstances: Circumstances,
): Shortfall | null {
  const { policy, signedNames, tag, revokedKeys, now } = circumstances;
  if (finding.authority === null || !rule.by.includes(finding.authority)) return 'not asked for';
  if (!rule.formats.includes(finding.format)) return 'wrong format';
  const { signed, signedAt, keyId, entry } = finding;
  if (signed === null) return 'no name';
  if (!signedNames.includes(signed.repository)) return 'other name';
  if (policy.bindTag && tag !== null && signed.tag !== tag) {
    return signed.tag === null ? 'no tag' : 'other tag';
  }
  if (rule.maxAge !== null) {
    if (signedAt === null) return 'no signing time';
    const age = now.getTime() - signedAt.time.getTime();
    if (age < -CLOCK_SKEW_MS) return 'future date';
    // Written this way round, an age that is no number counts as too old.
    if (!(age <= rule.maxAge)) return 'too old';
  }
  const place = entryShortfall(finding, rule, circumstances);
  if (place !== null) return place;
  // A finding that names no key could hide a revoked one.
  const keys = [keyId, ...(entry?.standsOn ?? [])];
  return keys.some((id) => id === null || revokedKeys.has(id)) ? 'key revoked' : null;
}

function countsUntil(finding: Finding, rule: CountedRule): number {
  const { signedAt, entry } = finding;
  const age =
    rule.maxAge === null || signedAt === null ? Infinity : signedAt.time.getTime() + rule.maxAge;
  return Math.min(age, entry === undefined ? Infinity : entry.expires.getTime() - 1);
}

/** The authorities that unreadable evidence could have spoken for: the one it names, else any. */
function couldSpeakFor(
  finding: Finding,
  rule: CountedRule,
  { revokedKeys }: Circumstances,
): readonly string[] {
  if (!rule.formats.includes(finding.format)) return [];
  if (finding.keyId !== null && revokedKeys.has(finding.keyId)) return [];
  return rule.by.filter((name) => finding.authority === null || finding.authority === name);
}
