import { CountersignError } from '../../lib/errors.ts';
import type { Repository } from '../../oci/reference.ts';
import type { TufKey } from '../../tuf/public-key.ts';
import { RELEASES } from '../../tuf/role-name.ts';
import { verifyThreshold } from '../../tuf/threshold.ts';
import type { Delegation } from '../../tuf/targets.ts';
import { changeTrust } from './change.ts';
import type { EditableRole } from './editable.ts';
import { editable } from './editable.ts';
import type { HeldKeys } from './held-keys.ts';
import { initialise } from './initialise.ts';
import { heldAgain } from './lapsed.ts';
import type { LoadedTrust } from './load.ts';
import type { TrustSession } from './session.ts';
import { signerRole } from './signer-name.ts';
import type { TrustEdit } from './submit.ts';

/** A signer to be added: a name, and the public keys that speak for it. */
export interface NewSigner {
  readonly gun: Repository;
  readonly name: string;
  readonly keys: readonly TufKey[];
  /** See `TrustChangeRequest`. */
  readonly renew?: boolean;
}

/**
 * Adds a signer as `docker trust signer add` does: a role of its name, and its keys in
 * `targets/releases`; a repository without trust data is begun. Returns whether anything was written.
 * Throws USAGE for a name that is none, NO_SIGNING_KEY without the targets key.
 */
export async function addSigner(session: TrustSession, signer: NewSigner): Promise<boolean> {
  const { gun, name, keys, renew = false } = signer;
  const role = signerRole(name);
  return changeTrust(session, gun, {
    begin: async () => initialise(session, gun, { signers: [{ name, keys }] }),
    edit: async (loaded) => {
      const targets = editable(loaded, 'targets', session.clock());
      const before = targets.delegations;
      const delegations = [role, RELEASES].reduce((list, to) => withKeys(list, to, keys), before);
      const added = delegations.some((each) => {
        const old = before.find((one) => one.name === each.name);
        return old === undefined || old.keys.size !== each.keys.size;
      });
      return added ? { roles: [{ ...targets, delegations }] } : null;
    },
    renew,
  });
}

function withKeys(
  list: readonly Delegation[],
  name: string,
  keys: readonly TufKey[],
): readonly Delegation[] {
  const old = list.find((one) => one.name === name);
  const all = new Map([...(old?.keys ?? []), ...keys.map((key) => [key.id, key] as const)]);
  const role = { name, threshold: 1, paths: [''], ...old, keys: all };
  return [...list.filter((one) => one.name !== name), role];
}

/** How a signer's removal ended. */
export interface RemovedSigner {
  /** False: the signer's last signature over `targets/releases` is gone with it, and no other signer's key is here to sign it anew. */
  readonly releasesSigned: boolean;
  /** Tags that only the removed signer says, and that another's signature over `targets/releases` goes on releasing. */
  readonly stillReleased: readonly string[];
}

/**
 * Removes a signer: its role, and from `targets/releases` those of its keys that no other signer has.
 * `targets/releases` is signed again by another signer whose key is here; what only the removed one
 * said is no longer released. Without such a key it stays as it is, and the outcome says what that means. Throws NO_TRUST_DATA where there is no such signer or repository.
 */
export async function removeSigner(
  session: TrustSession,
  gun: Repository,
  name: string,
): Promise<RemovedSigner> {
  const role = signerRole(name);
  let left: RemovedSigner = { releasesSigned: true, stillReleased: [] };
  await changeTrust(session, gun, {
    begin: () => Promise.reject(noTrustData(session, gun)),
    edit: async (loaded, keys) => {
      const { edit, ...rest } = await withoutSigner(session, loaded, keys, role);
      left = rest;
      return edit;
    },
  });
  return left;
}

/** The error for a repository that has no trust data, in docker's words. */
export function noTrustData({ server }: TrustSession, gun: Repository): CountersignError {
  return new CountersignError(
    'NO_TRUST_DATA',
    `remote trust data does not exist for ${gun}: ${server.host} does not have trust data for ${gun}`,
  );
}

async function withoutSigner(
  session: TrustSession,
  loaded: LoadedTrust,
  keys: HeldKeys,
  role: string,
): Promise<RemovedSigner & { readonly edit: TrustEdit }> {
  const now = session.clock();
  const targets = editable(loaded, 'targets', now);
  const gone = targets.delegations.find((one) => one.name === role);
  if (gone === undefined) {
    throw new CountersignError(
      'NO_TRUST_DATA',
      `no signer ${role.slice('targets/'.length)} for repository ${loaded.gun}`,
    );
  }
  const others = targets.delegations.filter(({ name }) => name !== role && name !== RELEASES);
  const kept = new Set(others.flatMap((one) => [...one.keys.keys()]));
  const releases = targets.delegations.find(({ name }) => name === RELEASES);
  const left = [...(releases?.keys ?? [])].filter(([id]) => kept.has(id) || !gone.keys.has(id));
  const delegation = releases && left.length > 0 ? { ...releases, keys: new Map(left) } : undefined;
  const delegations = delegation === undefined ? others : [...others, delegation];
  const edited = { ...targets, delegations };
  const done = { edit: { roles: [edited] }, releasesSigned: true, stillReleased: [] };
  if (delegation === undefined) return done;
  const released = editable(loaded, RELEASES, now);
  const content = releasedByOthers(loaded, released, role);
  if (content.version === 0) return done;
  for (const key of delegation.keys.values()) {
    if (await keys.holds(key)) {
      const again = heldAgain(loaded.gun, released, content.targets);
      if (again !== null) session.note(again);
      return { ...done, edit: { roles: [edited, { ...content, signing: delegation }] } };
    }
  }
  // Of the file that stays, another's signature may still hold: then all of it is released as before.
  const file = loaded.repository.tree.roles.get(RELEASES);
  const stands = file !== undefined && verifyThreshold(file.envelope, delegation).ok;
  if (!stands) return { ...done, releasesSigned: false };
  const tags = [...released.targets.keys()];
  return { ...done, stillReleased: tags.filter((tag) => !content.targets.has(tag)) };
}

/** What is released without what only the removed signer's role says. */
function releasedByOthers(
  { repository }: LoadedTrust,
  releases: EditableRole,
  role: string,
): EditableRole {
  const own = repository.tree.roles.get(role)?.targets;
  const others = [...repository.tree.roles.values()].filter(
    ({ name }) => name !== role && name !== RELEASES,
  );
  const targets = [...releases.targets].filter(
    ([tag, file]) =>
      own?.get(tag)?.sha256 !== file.sha256 ||
      others.some((other) => other.targets.get(tag)?.sha256 === file.sha256),
  );
  return { ...releases, targets: new Map(targets) };
}
