import { isTag } from '../oci/reference.ts';
import { parseDigest } from '../oci/digest.ts';
import type { SignedEntry } from '../store/trust-data.ts';
import { parentOf } from '../tuf/role-name.ts';
import { mayName } from '../tuf/targets-tree.ts';
import type { SigningRole } from '../tuf/threshold.ts';
import { signersOf } from '../tuf/threshold.ts';
import type { VerifiedFiles } from './verify-files.ts';

/** Who says now, with which key, that a tag is a digest: what a publish here would have left behind. */
export function entriesOf({ root, tree }: VerifiedFiles): readonly SignedEntry[] {
  const entries: SignedEntry[] = [];
  for (const [name, role] of tree.roles) {
    const signing: SigningRole | undefined =
      name === 'targets'
        ? root.roles.targets
        : tree.roles.get(parentOf(name))?.delegations.find((one) => one.name === name);
    const keys = signing === undefined ? [] : [...signersOf(role.envelope, signing).keys()];
    for (const [tag, { sha256 }] of role.targets) {
      const digest = parseDigest(`sha256:${sha256}`);
      if (!digest.ok || !isTag(tag) || !mayName(role, tag)) continue;
      for (const keyId of keys) entries.push({ role: name, tag, digest: digest.value, keyId });
    }
  }
  return entries;
}
