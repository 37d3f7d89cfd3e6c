import { parsePublicKey } from '../keys/public-key.ts';
import type { PublicKey } from '../keys/key.ts';
import { LIMITS } from '../lib/limits.ts';
import { nearest } from '../lib/nearest.ts';
import { quote } from '../lib/quote.ts';
import type { Result } from '../lib/result.ts';
import type { YamlNode } from '../lib/yaml-node.ts';
import type { Authority } from '../trust/format.ts';
import type { FileDraft, Placed, PolicyDraft } from './draft.ts';
import { compareSpecificity, overlap } from './pattern.ts';
import type { Pattern, Policy, PolicySet } from './policy.ts';
import { isRootId, rootKeyOf } from './roots.ts';

/** The bytes of a key file, or why they could not be read, by the path that the policy files name. */
export type KeyFiles = ReadonlyMap<string, Result<Uint8Array>>;

/**
 * Puts the files of one folder together: names, keys and patterns must fit each other over all of
 * them. Problems are collected in the drafts' documents; the result stands only if none has any.
 */
export function assemble(
  drafts: readonly FileDraft[],
  keyFiles: KeyFiles,
): Omit<PolicySet, 'revision'> {
  const authorities = joinAuthorities(drafts, keyFiles);
  const policies = drafts.flatMap((draft) => draft.policies);
  checkNames(policies, authorities);
  checkOverlaps(policies);
  return { authorities, policies: policies.map((draft) => withRoots(draft, keyFiles)) };
}

/** The policy with the ids of the keys that its root files hold. */
function withRoots({ policy, roots }: PolicyDraft, keyFiles: KeyFiles): Policy {
  const ids = new Map<string, string>();
  for (const { value, node } of roots) {
    const id = isRootId(value) ? value : readRoot(value, node, keyFiles);
    if (id !== undefined) ids.set(value, id);
  }
  // A root that could not be read is a problem of the set, which then does not stand.
  const idsOf = (pins: readonly string[]): readonly string[] =>
    pins.flatMap((pin) => ids.get(pin) ?? []);
  const require = policy.require.map((rule) => ({ ...rule, roots: idsOf(rule.roots) }));
  return { ...policy, roots: idsOf(policy.roots), require };
}

function readRoot(path: string, node: YamlNode, keyFiles: KeyFiles): string | undefined {
  const bytes = keyFiles.get(path);
  if (bytes === undefined) return node.fail(`expected at most ${LIMITS.policyKeys} key files`);
  const id = bytes.ok ? rootKeyOf(bytes.value) : bytes;
  if (id.ok) return id.value;
  return node.fail(bytes.ok ? `${path}: ${id.refusal.message}` : id.refusal.message);
}

function joinAuthorities(drafts: readonly FileDraft[], keyFiles: KeyFiles): readonly Authority[] {
  const places = new Map<string, string>();
  const owners = new Map<string, string>();
  const authorities: Authority[] = [];
  for (const draft of drafts.flatMap((file) => file.authorities)) {
    const before = places.get(draft.name);
    if (before !== undefined) {
      draft.node.fail(`expected every authority once, found ${draft.name} also at ${before}`);
      continue;
    }
    places.set(draft.name, draft.node.source);
    const keys = draft.keys.flatMap((key) => readKey(key, draft.name, keyFiles, owners) ?? []);
    authorities.push({ name: draft.name, keys });
  }
  return authorities;
}

function readKey(
  { value: path, node }: Placed<string>,
  authority: string,
  keyFiles: KeyFiles,
  owners: Map<string, string>,
): PublicKey | undefined {
  const bytes = keyFiles.get(path);
  // Past the bound no key file is read; the first one over it says so.
  if (bytes === undefined) return node.fail(`expected at most ${LIMITS.policyKeys} key files`);
  if (!bytes.ok) return node.fail(bytes.refusal.message);
  const key = parsePublicKey(bytes.value);
  if (!key.ok) return node.fail(`${path}: ${key.refusal.message}`);
  // One key for two authorities would let one holder fill a quorum of two (threat T-14).
  const owner = owners.get(key.value.id);
  if (owner !== undefined) {
    return node.fail(
      `expected a key that belongs to nobody else, found the one of ${owner} (key id ${key.value.id.slice(0, 12)})`,
    );
  }
  owners.set(key.value.id, `${authority} at ${node.source}`);
  return key.value;
}

function checkNames(policies: readonly PolicyDraft[], authorities: readonly Authority[]): void {
  const places = new Map<string, string>();
  const known = authorities.map((authority) => authority.name);
  for (const { policy, node, asked } of policies) {
    const before = places.get(policy.name);
    if (before === undefined) places.set(policy.name, node.source);
    else {
      node.fail(`expected every policy name once, found ${policy.name} also at ${before}`);
    }
    for (const name of asked) {
      if (known.includes(name.value)) continue;
      const near = nearest(name.value, known);
      const listed = known.length === 0 ? 'there are none' : `known are ${known.join(', ')}`;
      const hint = near === undefined ? listed : `did you mean ${near}?`;
      name.node.fail(`expected a known authority, found ${quote(name.value)}; ${hint}`);
    }
  }
}

/** Two policies that can govern one repository must be ordered, or which one holds would be chance. */
function checkOverlaps(policies: readonly PolicyDraft[]): void {
  const patterns = policies.flatMap((draft) =>
    draft.patterns.map((pattern) => ({ ...pattern, policy: draft.policy })),
  );
  if (patterns.length > LIMITS.policyPatterns) {
    const first = patterns[LIMITS.policyPatterns];
    first?.node.fail(
      `expected at most ${LIMITS.policyPatterns} image patterns over all files, found ${patterns.length}`,
    );
    return;
  }
  for (const [i, later] of patterns.entries()) {
    for (const earlier of patterns.slice(0, i)) {
      if (earlier.policy === later.policy || ordered(earlier.value, later.value)) continue;
      later.node.fail(
        `expected patterns of which one is more specific, found ${quote(later.value.text)}, which can match the same repository as ${quote(earlier.value.text)} of policy ${earlier.policy.name} at ${earlier.node.source}`,
      );
    }
  }
}

function ordered(a: Pattern, b: Pattern): boolean {
  return compareSpecificity(a, b) !== undefined || !overlap(a, b);
}
