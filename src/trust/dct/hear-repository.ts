import { LIMITS } from '../../lib/limits.ts';
import type { Digest } from '../../oci/digest.ts';
import { lookUpTag } from '../../tuf/lookup.ts';
import type { TrustedRepository } from '../../tuf/repository.ts';
import { RELEASES } from '../../tuf/role-name.ts';
import { REPOSITORY } from '../format.ts';
import { handedOnBy } from './handed-on.ts';
import { underAllIds } from './listed-ids.ts';
import { aboutRole, evidenceOf, signersIn, taggedIn } from './role-file.ts';
import type { Heard, Voice } from './voices.ts';

/** As docker looks tags up: in releases, then in targets; who handed the role on bears on it too. */
export function hearRepository(repository: TrustedRepository): Heard {
  const { tree } = repository;
  const authority = REPOSITORY.name;
  const refusal = tree.unreadable.get(RELEASES);
  // What releases would have said of a tag is not known, so nobody's word on any tag is.
  if (refusal !== undefined) {
    return { voices: [], mutes: [{ authority, reason: aboutRole(RELEASES, refusal) }] };
  }
  const voices: Voice[] = [];
  for (const role of ['targets', RELEASES]) {
    const above = handedOnBy(repository, authority, role);
    const file = tree.roles.get(role);
    if (file === undefined) continue;
    const signers = signersIn(repository, file);
    const says = (tag: string): Digest | null => {
      const found = lookUpTag(tree, tag);
      return found.kind === 'signed' && found.entry.role === role ? found.entry.digest : null;
    };
    // One is enough to count; more are told of in case it was revoked.
    for (const keyId of [...signers.ids].slice(0, LIMITS.trustVoices)) {
      const all = underAllIds(repository, [keyId, ...signers.needed, ...above]);
      voices.push({
        authority,
        role,
        keyId,
        signers: signers.ids,
        standsOn: all.filter((id) => id !== keyId),
        evidence: evidenceOf(file),
        says,
        tagsOf: (digest) => taggedIn(file, digest).filter((tag) => says(tag) === digest),
      });
    }
  }
  return { voices, mutes: [] };
}
