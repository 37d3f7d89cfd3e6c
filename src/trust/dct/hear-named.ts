import type { Digest } from '../../oci/digest.ts';
import { inRole } from '../../tuf/lookup.ts';
import type { TrustedRepository } from '../../tuf/repository.ts';
import type { Authority } from '../format.ts';
import { aboutRole, evidenceOf, signersIn, taggedIn } from './role-file.ts';
import type { Heard, Mute, Voice } from './voices.ts';
import { rolesOf } from './voices.ts';

/** Hears a person: its own role alone, by the keys that the policy lists (T-26). */
export function hearNamed(repository: TrustedRepository, { name, keys }: Authority): Heard {
  const { tree } = repository;
  const voices: Voice[] = [];
  const mutes: Mute[] = [];
  for (const role of rolesOf(name, repository)) {
    const refusal = tree.unreadable.get(role);
    const file = tree.roles.get(role);
    if (refusal !== undefined) mutes.push({ authority: name, reason: aboutRole(role, refusal) });
    if (file === undefined) continue;
    const signers = signersIn(repository, file);
    const own = keys.filter((key) => signers.ids.has(key.id));
    if (own.length === 0) {
      mutes.push({ authority: name, reason: `${role} is not signed by a key of ${name}` });
    }
    const says = (tag: string): Digest | null => {
      const found = inRole(tree, role, tag);
      return found.kind === 'signed' ? found.entry.digest : null;
    };
    for (const { id } of own) {
      voices.push({
        authority: name,
        role,
        keyId: id,
        signers: signers.ids,
        standsOn: signers.needed.filter((other) => other !== id),
        evidence: evidenceOf(file),
        says,
        tagsOf: (digest) => taggedIn(file, digest),
      });
    }
  }
  return { voices, mutes };
}
