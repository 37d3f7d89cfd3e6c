import { CountersignError } from '../../lib/errors.ts';
import { parseEnvelope } from '../../tuf/envelope.ts';
import type { FileMeta } from '../../tuf/file-meta.ts';
import { signingRoleOf } from '../../tuf/repository.ts';
import { parentOf, RELEASES } from '../../tuf/role-name.ts';
import type { Delegation, Targets } from '../../tuf/targets.ts';
import { parseTargets } from '../../tuf/targets.ts';
import { verifyTargets } from '../../tuf/targets-tree.ts';
import type { SigningRole } from '../../tuf/threshold.ts';
import type { LoadedTrust } from './load.ts';

/** A targets role as it is about to be written again. */
export interface EditableRole {
  readonly name: string;
  /** The version that is stored; 0: none. */
  readonly version: number;
  readonly expires: Date | null;
  readonly targets: ReadonlyMap<string, FileMeta>;
  readonly delegations: readonly Delegation[];
  /** Who signs it. */
  readonly signing: SigningRole;
  /** Whether what it says is believed by clients now. */
  readonly believed: boolean;
}

/**
 * A role's content to go on from. Whoever signs a role vouches for all that it says, so of a file
 * that cannot be believed nothing is taken over unless it has merely expired; of a broken
 * `targets/releases` (its last signer was removed) only what a signer's own role says too. Throws
 * TRUST_DATA_ROLLBACK for a role that is older than what this machine has seen (T-23): what was taken
 * out since would be signed anew.
 */
export function editable(loaded: LoadedTrust, name: string, now: Date): EditableRole {
  const { root, tree } = loaded.repository;
  const signing = signingRole(loaded, name);
  const trusted = tree.roles.get(name);
  if (trusted !== undefined) return { ...trusted, name, signing, believed: trusted.expires > now };
  const refusal = tree.unreadable.get(name);
  if (refusal?.code === 'TRUST_DATA_ROLLBACK') {
    throw new CountersignError(refusal.code, `${loaded.gun}: ${refusal.message}`);
  }
  const empty = { name, delegations: [], signing, believed: false, expires: null };
  const bytes = loaded.files.get(name);
  const envelope = bytes === undefined ? null : parseEnvelope(bytes);
  if (envelope?.ok !== true) return { ...empty, version: 0, targets: new Map() };
  const lapsed = verifyTargets(name, envelope.value, { root, verified: tree.roles, now: null });
  if (lapsed.ok && lapsed.value.expires <= now) {
    return { ...lapsed.value, name, signing, believed: false };
  }
  const said = parseTargets(envelope.value, name);
  if (!said.ok) return { ...empty, version: 0, targets: new Map() };
  const { version } = said.value;
  return {
    ...empty,
    version,
    targets: name === RELEASES ? vouchedFor(loaded, said.value) : new Map(),
  };
}

/** The role that signs a file: of the root, or of its parent's delegations. Throws NO_TRUST_DATA for a role that there is none of. */
export function signingRole({ repository }: LoadedTrust, name: string): SigningRole {
  const role = signingRoleOf(repository, name);
  if (role !== undefined) return role;
  throw new CountersignError('NO_TRUST_DATA', `${repository.gun} has no role ${name}`);
}

function vouchedFor({ repository }: LoadedTrust, said: Targets): ReadonlyMap<string, FileMeta> {
  // A signer's own role: not `targets`, whose tags were released by another key, nor what lies below a signer.
  const roles = [...repository.tree.roles.values()].filter(
    ({ name }) => name !== 'targets' && parentOf(name) === 'targets',
  );
  return new Map(
    [...said.targets].filter(([tag, file]) =>
      roles.some(({ targets }) => targets.get(tag)?.sha256 === file.sha256),
    ),
  );
}
