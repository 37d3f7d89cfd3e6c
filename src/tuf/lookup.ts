import type { Digest } from '../oci/digest.ts';
import { digestFromHex } from '../oci/digest.ts';
import type { Json } from '../lib/json.ts';
import type { Refusal } from '../lib/result.ts';
import { unwrap } from '../lib/result.ts';
import { RELEASES } from './role-name.ts';
import type { TargetsTree, TrustedTargets } from './targets-tree.ts';
import { mayName } from './targets-tree.ts';

/** What a role says that a tag is. */
export interface SignedTag {
  readonly role: string;
  readonly digest: Digest;
  /** Size of the manifest. */
  readonly length: number;
  readonly custom: Json | null;
}

/** What the signed map says about a tag. */
export type TagLookup =
  | { readonly kind: 'signed'; readonly entry: SignedTag }
  | { readonly kind: 'absent' }
  /** A role that is asked first exists and cannot be believed: what it would have said is not known. */
  | { readonly kind: 'unreadable'; readonly role: string; readonly refusal: Refusal };

const ABSENT: TagLookup = { kind: 'absent' };

/**
 * Looks a tag up as docker does (dct-protocol 3.6): in `targets/releases`, then in `targets`. A tag that
 * only another delegation names, one below releases included, is not released. Where releases cannot
 * be believed docker warns and asks `targets`, which may hold an older digest; here that is `unreadable`.
 */
export function lookUpTag(tree: TargetsTree, tag: string): TagLookup {
  for (const role of [RELEASES, 'targets']) {
    if (tree.unreadable.has(role)) return inRole(tree, role, tag);
    const first = firstToName(tree, role).get(tag);
    if (first !== undefined) return first === role ? inRole(tree, role, tag) : ABSENT;
  }
  return ABSENT;
}

const known = new WeakMap<TargetsTree, Map<string, ReadonlyMap<string, string>>>();

/**
 * Of each tag the first role that names it, from one role downwards as Notary walks (TUF 5.6.7,
 * pre-order, a parent before its children, in the order of its list); what lies below releases is no
 * part of the walk from `targets`. The first entry ends the walk (T-26), and a stranger's unreadable
 * delegation says nothing about what is released. Walked once for all tags, since thousands of tags may
 * be asked for in a tree of a thousand roles (T-60).
 */
function firstToName(tree: TargetsTree, from: string): ReadonlyMap<string, string> {
  const ofTree = known.get(tree) ?? new Map<string, ReadonlyMap<string, string>>();
  known.set(tree, ofTree);
  const made = ofTree.get(from);
  if (made !== undefined) return made;
  const first = new Map<string, string>();
  const walk = (name: string): void => {
    const role = tree.unreadable.has(name) ? undefined : tree.roles.get(name);
    if (role === undefined) return;
    for (const tag of role.targets.keys())
      if (!first.has(tag) && mayName(role, tag)) first.set(tag, name);
    for (const below of role.delegations) if (below.name !== RELEASES) walk(below.name);
  };
  walk(from);
  ofTree.set(from, first);
  return first;
}

/**
 * What one role says about a tag: how a named authority signs through its own `targets/<name>`. Roles
 * above and below it are not asked.
 */
export function inRole(tree: TargetsTree, role: string, tag: string): TagLookup {
  const refusal = tree.unreadable.get(role);
  if (refusal !== undefined) return { kind: 'unreadable', role, refusal };
  const trusted = tree.roles.get(role);
  const entry = trusted === undefined ? null : entryOf(trusted, tag);
  return entry === null ? ABSENT : { kind: 'signed', entry };
}

function entryOf(role: TrustedTargets, tag: string): SignedTag | null {
  const file = mayName(role, tag) ? role.targets.get(tag) : undefined;
  if (file === undefined) return null;
  const digest = unwrap(digestFromHex('sha256', file.sha256));
  return { role: role.name, digest, length: file.length, custom: file.custom };
}

/** What each of the roles says about a tag, and whether any two that say something disagree (T-26). */
export function lookUpByRoles(
  tree: TargetsTree,
  tag: string,
  roles: readonly string[],
): { readonly found: readonly TagLookup[]; readonly conflict: boolean } {
  const found = roles.map((role) => inRole(tree, role, tag));
  const digests = found.flatMap((one) => (one.kind === 'signed' ? [one.entry.digest] : []));
  return { found, conflict: new Set(digests).size > 1 };
}
