import { CountersignError } from '../../lib/errors.ts';
import type { Repository } from '../../oci/reference.ts';
import { isDelegation, parentOf } from '../../tuf/role-name.ts';
import { mayName } from '../../tuf/targets-tree.ts';
import { changeTrust } from './change.ts';
import type { HeldKeys } from './held-keys.ts';
import type { LoadedTrust } from './load.ts';
import type { TrustSession } from './session.ts';
import { rolesWithTags, targetOf } from './sign-tag.ts';
import type { TagSigning } from './sign-tag.ts';
import { noTrustData } from './signers.ts';

/**
 * Signs a tag by every key that is here, as docker does (dct-protocol 3.6): into each delegation that
 * lists one, or into `targets` where nothing is delegated. The repository must be there. `found` is called
 * once it is known that there are such roles. Returns whether anything was written. Throws NO_TRUST_DATA,
 * NO_SIGNING_KEY, and as `changeTrust` does.
 */
export async function signTagWithHeldKeys(
  session: TrustSession,
  signing: Pick<TagSigning, 'gun' | 'tag' | 'digest' | 'length'>,
  found: () => void = () => {},
): Promise<boolean> {
  const { gun, tag } = signing;
  const entry = targetOf(signing);
  let told = false;
  return changeTrust(session, gun, {
    begin: () => Promise.reject(noTrustData(session, gun)),
    edit: async (loaded, keys) => {
      const names = await heldRoles(loaded, keys, gun, tag);
      if (!told) found();
      told = true;
      const tags = new Map([[tag, entry]]);
      const byRole = new Map(names.map((name) => [name, tags]));
      return rolesWithTags(loaded, byRole, false, session.clock());
    },
  });
}

async function heldRoles(
  { repository }: LoadedTrust,
  keys: HeldKeys,
  gun: Repository,
  tag: string,
): Promise<readonly string[]> {
  const delegations = repository.tree.roles.get('targets')?.delegations ?? [];
  if (delegations.length === 0) return ['targets'];
  const names: string[] = [];
  for (const role of delegations) {
    // Docker signs for no role below another signer's.
    const direct = isDelegation(role.name) && parentOf(role.name) === 'targets';
    if (!direct || !mayName(role, tag)) continue;
    const held = await Promise.all([...role.keys.values()].map(async (key) => keys.holds(key)));
    if (held.includes(true)) names.push(role.name);
  }
  if (names.length > 0) return names;
  throw new CountersignError(
    'NO_SIGNING_KEY',
    `no valid signing keys for delegation roles of ${gun}`,
  );
}
