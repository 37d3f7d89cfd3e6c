import { CountersignError } from '../../lib/errors.ts';
import type { Repository } from '../../oci/reference.ts';
import { changeTrust } from './change.ts';
import { editable } from './editable.ts';
import type { HeldKeys } from './held-keys.ts';
import { heldAgain } from './lapsed.ts';
import type { LoadedTrust } from './load.ts';
import type { TrustSession } from './session.ts';
import { noTrustData } from './signers.ts';

/** What was taken out of a repository, and what still stands because its keys are elsewhere. */
export interface RevokedTags {
  readonly removed: readonly { readonly role: string; readonly tags: readonly string[] }[];
  readonly remaining: readonly { readonly role: string; readonly tags: readonly string[] }[];
}

/**
 * Takes a tag (`null`: every tag) out of every role whose key is here: the signers' roles,
 * `targets/releases`, and `targets` too, where tags stand that were signed before there were signers;
 * docker leaves those behind and says that all is done. What else a role says that had expired holds again,
 * which is told. Throws NO_TRUST_DATA where the tag is signed
 * nowhere, and NO_SIGNING_KEY where no key is here for any role that has it.
 */
export async function revokeTags(
  session: TrustSession,
  gun: Repository,
  tag: string | null,
): Promise<RevokedTags> {
  let outcome: RevokedTags = { removed: [], remaining: [] };
  let again: readonly (string | null)[] = [];
  await changeTrust(session, gun, {
    begin: () => Promise.reject(noTrustData(session, gun)),
    edit: async (loaded, keys) => {
      const now = session.clock();
      const { mine, theirs } = await rolesWith(loaded, keys, tag, now);
      outcome = { removed: mine, remaining: theirs };
      const first = theirs[0];
      if (mine.length === 0 && first === undefined) {
        throw new CountersignError(
          'NO_TRUST_DATA',
          tag === null ? `no signed tags to remove from ${gun}` : `No valid trust data for ${tag}`,
        );
      }
      if (mine.length === 0) {
        throw new CountersignError(
          'NO_SIGNING_KEY',
          `could not remove signature for ${gun}${tag === null ? '' : `:${tag}`}: no key of ${theirs.map(({ role }) => role).join(', ')} is here`,
        );
      }
      const roles = mine.map(({ role, tags }) => {
        const old = editable(loaded, role, now);
        const targets = new Map(old.targets);
        for (const each of tags) targets.delete(each);
        return { ...old, targets };
      });
      again = roles.map((role) => heldAgain(gun, role, role.targets));
      return { roles };
    },
  });
  for (const line of again) if (line !== null) session.note(line);
  return outcome;
}

async function rolesWith(
  loaded: LoadedTrust,
  keys: HeldKeys,
  tag: string | null,
  now: Date,
): Promise<{ mine: RevokedTags['removed']; theirs: RevokedTags['remaining'] }> {
  const mine: { role: string; tags: readonly string[] }[] = [];
  const theirs: { role: string; tags: readonly string[] }[] = [];
  const { roles, unreadable } = loaded.repository.tree;
  // What has expired is believed by nobody until its signer signs next: then all of it is back.
  for (const name of [...roles.keys(), ...unreadable.keys()]) {
    const { signing, targets } = editable(loaded, name, now);
    const tags = [...targets.keys()].filter((each) => tag === null || each === tag);
    if (tags.length === 0) continue;
    const held = await Promise.all([...signing.keys.values()].map(async (key) => keys.holds(key)));
    (held.filter(Boolean).length >= signing.threshold ? mine : theirs).push({
      role: name,
      tags,
    });
  }
  return { mine, theirs };
}
