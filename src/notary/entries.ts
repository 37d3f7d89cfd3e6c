import type { Digest } from '../oci/digest.ts';
import { digestFromHex } from '../oci/digest.ts';
import { isTag } from '../oci/reference.ts';
import { unwrap } from '../lib/result.ts';
import type { SignedEntry, StoredTrustFile } from '../store/trust-data.ts';
import { parseEnvelope } from '../tuf/envelope.ts';
import type { Targets } from '../tuf/targets.ts';
import { parseTargets } from '../tuf/targets.ts';
import type { TrustedTargets } from '../tuf/targets-tree.ts';
import { mayName } from '../tuf/targets-tree.ts';

/** A tag that a role names. */
export interface NamedTag {
  readonly role: string;
  readonly tag: string;
  readonly digest: Digest;
}

/** The tags that a role may name and does; other targets (files of `notary add`) name no image. */
export function tagsOf(role: TrustedTargets): readonly NamedTag[] {
  const out: NamedTag[] = [];
  for (const [tag, { sha256 }] of role.targets) {
    if (!isTag(tag) || !mayName(role, tag)) continue;
    out.push({ role: role.name, tag, digest: unwrap(digestFromHex('sha256', sha256)) });
  }
  return out;
}

/** Every tag with every key that vouches for it. */
export function entriesOf(role: TrustedTargets, tags = tagsOf(role)): readonly SignedEntry[] {
  return [...role.signers.keys()].flatMap((keyId) => tags.map((tag) => ({ ...tag, keyId })));
}

/** What a stored file says, and, where it was verified here, who signed it. */
interface Known {
  readonly targets: Targets['targets'];
  readonly signers: string | null;
}

const known = new WeakMap<StoredTrustFile, Known>();

/** Remembers what a file that was just stored says, so that the next publish need not read it again. */
export function rememberRole(file: StoredTrustFile, role: TrustedTargets): void {
  known.set(file, { targets: role.targets, signers: signersOf(role) });
}

function knownOf(file: StoredTrustFile, role: string): Known {
  const remembered = known.get(file);
  if (remembered !== undefined) return remembered;
  const envelope = parseEnvelope(file.bytes);
  const targets = envelope.ok ? parseTargets(envelope.value, role) : envelope;
  const value = { targets: targets.ok ? targets.value.targets : new Map(), signers: null };
  known.set(file, value);
  return value;
}

function signersOf(role: TrustedTargets): string {
  return [...role.signers.keys()].toSorted().join(' ');
}

/** What a publish changes in a role. */
export interface RoleChange {
  /** The tags that it names now and did not before. */
  readonly signed: readonly NamedTag[];
  /** What is to be put on record: all of it where it is not known who signed the file before. */
  readonly entries: readonly SignedEntry[];
}

/** Compares a role with the file that was stored before. */
export function changeOf(role: TrustedTargets, before: StoredTrustFile | undefined): RoleChange {
  const tags = tagsOf(role);
  if (before === undefined) return { signed: tags, entries: entriesOf(role, tags) };
  const old = knownOf(before, role.name);
  const signed = tags.filter(
    ({ tag }) => old.targets.get(tag)?.sha256 !== role.targets.get(tag)?.sha256,
  );
  const same = old.signers === signersOf(role);
  return { signed, entries: entriesOf(role, same ? signed : tags) };
}
