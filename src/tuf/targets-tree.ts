import type { Refusal, Result } from '../lib/result.ts';
import { ok } from '../lib/result.ts';
import type { Envelope } from './envelope.ts';
import type { TufKey } from './public-key.ts';
import { parentOf } from './role-name.ts';
import type { Root } from './root.ts';
import { checkExpiry } from './signed-fields.ts';
import type { Delegation, Targets } from './targets.ts';
import { parseTargets } from './targets.ts';
import { verifyThreshold } from './threshold.ts';
import { invalid } from './trust-data.ts';

/** A verified targets role or delegation, with the tags that it may speak for. */
export interface TrustedTargets extends Targets {
  readonly name: string;
  /** Prefixes, already cut down to what its parents may speak for. */
  readonly paths: readonly string[];
  /** The keys that validly signed it, by the id of the key itself. */
  readonly signers: ReadonlyMap<string, TufKey>;
}

/** The verified targets roles of a repository. */
export interface TargetsTree {
  readonly roles: ReadonlyMap<string, TrustedTargets>;
  /** Delegations that should be there and cannot be believed, with the reason; nothing they say counts. */
  readonly unreadable: ReadonlyMap<string, Refusal>;
}

/** What a targets role is verified with. */
interface TargetsContext {
  readonly root: Root;
  /** What was verified before; a delegation needs its parent there. */
  readonly verified: ReadonlyMap<string, TrustedTargets>;
  /** `null`: also expired metadata (what a server has stored). */
  readonly now: Date | null;
}

/**
 * Verifies `targets` by the root, or a delegation by its parent (TUF 5.6.3, dct-protocol 2 step 4). A
 * delegation's paths are cut to its parent's (as Notary's `Restrict`), so nobody hands on more than he has.
 */
export function verifyTargets(
  name: string,
  envelope: Envelope,
  { root, verified, now }: TargetsContext,
): Result<TrustedTargets> {
  const delegation = delegationOf(name, root, verified);
  if (!delegation.ok) return delegation;
  const signed = verifyThreshold(envelope, delegation.value);
  if (!signed.ok) return signed;
  const targets = parseTargets(envelope, name);
  if (!targets.ok) return targets;
  const fresh = now === null ? ok(true) : checkExpiry(targets.value, name, now);
  if (!fresh.ok) return fresh;
  const { paths } = delegation.value;
  return ok({ ...targets.value, name, paths, signers: signed.value });
}

function delegationOf(
  name: string,
  root: Root,
  verified: ReadonlyMap<string, TrustedTargets>,
): Result<Delegation> {
  if (name === 'targets') return ok({ ...root.roles.targets, paths: [''] });
  if (!verified.has('targets')) return invalid('targets must be loaded first');
  const parent = verified.get(parentOf(name));
  const delegation = parent?.delegations.find((one) => one.name === name);
  if (parent === undefined || delegation === undefined) {
    return invalid(`tuf: invalid role ${name}. delegation does not exist`);
  }
  const paths = delegation.paths.filter((path) => mayName(parent, path));
  return ok({ ...delegation, paths });
}

/** The paths that no other one begins, in order; a role's list is one for as long as it is remembered. */
const known = new WeakMap<readonly string[], readonly string[]>();

/**
 * True where a role may speak for a tag: where it begins with one of its paths. It is asked for every
 * tag, and for every path that is handed on: neither their number nor their length, both a signer's to
 * choose, makes it more than a few comparisons (T-60).
 */
export function mayName({ paths }: Pick<TrustedTargets, 'paths'>, tag: string): boolean {
  const sorted = known.get(paths) ?? shortestOf(paths);
  known.set(paths, sorted);
  // What stands between a path and a tag that begins with it would begin with it too, and is not in the
  // list: so the path is the last one that does not come after the tag.
  let from = 0;
  let until = sorted.length;
  while (from < until) {
    const middle = (from + until) >>> 1;
    if ((sorted[middle] ?? '') <= tag) from = middle + 1;
    else until = middle;
  }
  const path = sorted[from - 1];
  return path !== undefined && tag.startsWith(path);
}

function shortestOf(paths: readonly string[]): readonly string[] {
  const out: string[] = [];
  for (const path of paths.toSorted()) {
    const last = out.at(-1);
    if (last === undefined || !path.startsWith(last)) out.push(path);
  }
  return out;
}
