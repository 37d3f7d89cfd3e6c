import type { Refusal } from '../../lib/result.ts';
import type { Digest } from '../../oci/digest.ts';
import { algorithmOf, digestOf, hexOf } from '../../oci/digest.ts';
import { isTag } from '../../oci/reference.ts';
import type { TrustedRepository } from '../../tuf/repository.ts';
import { signingRoleOf } from '../../tuf/repository.ts';
import type { TrustedTargets } from '../../tuf/targets-tree.ts';
import { mayName } from '../../tuf/targets-tree.ts';

/**
 * Why a role cannot be heard, behind what mends it: a refusal of the gate has room for the beginning.
 * Where a role went back, signing it again helps nobody.
 */
export function aboutRole(role: string, { code, message }: Refusal): string {
  // Notary's words mostly name the role.
  if (code === 'TRUST_DATA_ROLLBACK')
    return message.includes(role) ? message : `${role}: ${message}`;
  const expired = code === 'TRUST_DATA_EXPIRED';
  const mends = expired ? 'countersign sign --renew' : 'signing again, or countersign signer add';
  return `${role} needs ${mends} (${message})`;
}

/** Who signed a role's file. */
export interface Signers {
  /** Ids of the keys themselves that validly signed. */
  readonly ids: ReadonlySet<string>;
  /** Those of them without which the quorum may be lost; none where one is enough. */
  readonly needed: readonly string[];
}

// Everything below is a function of the file alone, which is one object for as long as it is remembered.
const evidenceOfFile = new WeakMap<TrustedTargets, Digest>();
const tagsOfFile = new WeakMap<TrustedTargets, ReadonlyMap<string, readonly string[]>>();

/** Who signed the file, and who of them its quorum may not miss. */
export function signersIn(repository: TrustedRepository, file: TrustedTargets): Signers {
  const { threshold = 1 } = signingRoleOf(repository, file.name) ?? {};
  const ids = new Set(file.signers.keys());
  return { ids, needed: threshold > 1 ? [...ids] : [] };
}

/** Digest of the file. */
export function evidenceOf(file: TrustedTargets): Digest {
  const known = evidenceOfFile.get(file) ?? digestOf(file.envelope.bytes);
  evidenceOfFile.set(file, known);
  return known;
}

/** The tags that a file names and may name, by what they are. Other names are no image's. */
export function taggedIn(file: TrustedTargets, digest: Digest): readonly string[] {
  if (algorithmOf(digest) !== 'sha256') return [];
  let tags = tagsOfFile.get(file);
  if (tags === undefined) {
    const made = new Map<string, string[]>();
    for (const [tag, { sha256 }] of file.targets) {
      if (!isTag(tag) || !mayName(file, tag)) continue;
      const same = made.get(sha256);
      if (same === undefined) made.set(sha256, [tag]);
      else same.push(tag);
    }
    tags = made;
    tagsOfFile.set(file, tags);
  }
  return tags.get(hexOf(digest)) ?? [];
}
