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
  const released = walk(tree, RELEASES, tag, 'targets');
  if (released.kind !== 'absent') return onlyFrom(released, RELEASES);
  return onlyFrom(walk(tree, 'targets', tag, RELEASES), 'targets');
}

function onlyFrom(found: TagLookup, role: string): TagLookup {
  return found.kind === 'signed' && found.entry.role !== role ? ABSENT : found;
}

/**
 * Walks the delegations as Notary does (TUF 5.6.7, pre-order, a parent before its children, in the order
 * of its list), past roles that may not name the tag. The first entry ends the walk (T-26).
 */
function walk(tree: TargetsTree, from: string, tag: string, skip: string): TagLookup {
  const found = inRole(tree, from, tag);
  if (found.kind !== 'absent') return found;
  const role = tree.roles.get(from);
  if (role === undefined || !mayName(role, tag)) return ABSENT;
  for (const { name } of role.delegations) {
    const below = name === skip ? ABSENT : walk(tree, name, tag, skip);
    // A stranger's unreadable delegation says nothing about what is released.
    if (below.kind === 'signed') return below;
  }
  return ABSENT;
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
