import type { NamedSigner } from '../../keys/resolve-signer.ts';
import { CountersignError } from '../../lib/errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { algorithmOf, hexOf } from '../../oci/digest.ts';
import type { Repository } from '../../oci/reference.ts';
import type { FileMeta } from '../../tuf/file-meta.ts';
import { tufKeyOf } from '../../tuf/public-key.ts';
import { isDelegation, parentOf } from '../../tuf/role-name.ts';
import { mayName } from '../../tuf/targets-tree.ts';
import { changeTrust } from './change.ts';
import type { EditableRole } from './editable.ts';
import { editable } from './editable.ts';
import { RESIGN_MS } from './expiry.ts';
import type { HeldKeys } from './held-keys.ts';
import { initialise } from './initialise.ts';
import type { LoadedTrust } from './load.ts';
import type { TrustSession } from './session.ts';
import type { TrustEdit } from './submit.ts';
import { signerRole } from './signer-name.ts';

/** A tag and what it is to be from now on. */
export interface TagSigning {
  readonly gun: Repository;
  readonly tag: string;
  readonly digest: Digest;
  /** Size of the manifest in bytes. */
  readonly length: number;
  readonly signer: NamedSigner;
  /** Sign what stands already once more, also what has expired. */
  readonly renew?: boolean;
}

/**
 * Signs a tag as docker does (dct-protocol 3.6, 5.5): into every delegation that lists the signer's key,
 * `targets/releases` among them; into `targets`, by the repository's own key, where nothing is delegated;
 * a repository without trust data is begun, with the signer as its first. Returns whether anything was
 * written. Throws NO_SIGNING_KEY where the signer may not sign there, USAGE for what no target can be,
 * TRUST_DATA_EXPIRED for a role that has expired and is not to be renewed, and as `changeTrust` does.
 */
export async function signTag(session: TrustSession, signing: TagSigning): Promise<boolean> {
  const { gun, signer, tag } = signing;
  const entry = targetOf(signing);
  return changeTrust(session, gun, {
    begin: async () => {
      signerRole(named(signer));
      const targets = new Map([[tag, entry]]);
      const key = tufKeyOf(signer.publicKey);
      return initialise(session, gun, {
        signers: [{ name: named(signer), keys: [key] }],
        signed: { by: signer, targets },
      });
    },
    edit: async (loaded, keys) => editTag(session, loaded, keys, signing, entry),
    renew: signing.renew ?? false,
  });
}

/** A target as docker writes it: the digest alone, and the length of the manifest's bytes. */
export function targetOf({ digest, length }: Pick<TagSigning, 'digest' | 'length'>): FileMeta {
  if (algorithmOf(digest) === 'sha256') {
    return { length, sha256: hexOf(digest), sha512: null, custom: null };
  }
  throw new CountersignError('USAGE', 'expected a sha256 digest: Notary v1 knows no other');
}

function named({ name }: NamedSigner): string {
  if (name !== null) return name;
  throw new CountersignError(
    'USAGE',
    'expected a key with a name, which its role in the repository gets; store it under one with: countersign key import FILE --name NAME',
  );
}

async function editTag(
  session: TrustSession,
  loaded: LoadedTrust,
  keys: HeldKeys,
  signing: TagSigning,
  entry: FileMeta,
): Promise<TrustEdit | null> {
  const { names, signer } = await signableRoles(loaded, keys, signing);
  const edit = rolesWithTag(loaded, names, { ...signing, entry }, session.clock());
  if (edit === null) return null;
  if (signer === null) {
    session.note(
      `${loaded.gun} has no signers: signed by the repository's own key, not by ${signing.signer.name ?? 'this one'}; give it a role of its own with: countersign signer add`,
    );
  }
  return { ...edit, signer };
}

/** What a tag is to be in some roles. */
export interface TagEntry {
  readonly tag: string;
  readonly entry: FileMeta;
  /** Sign what stands already once more. */
  readonly renew?: boolean;
}

/**
 * The roles with the entry in them, but for those where it stands and will for long; `null` for none.
 * Throws TRUST_DATA_EXPIRED for a role that has expired, unless it is to be renewed.
 */
export function rolesWithTag(
  loaded: LoadedTrust,
  names: readonly string[],
  { tag, entry, renew = false }: TagEntry,
  now: Date,
): TrustEdit | null {
  const roles = names.flatMap((name) => {
    const role = editable(loaded, name, now);
    if (!renew) refuseLapsed(loaded, role, tag, now);
    const stands = role.targets.get(tag);
    const same = stands?.sha256 === entry.sha256 && stands.length === entry.length;
    const fresh =
      role.believed && role.expires !== null && role.expires.getTime() - now.getTime() > RESIGN_MS;
    if (same && fresh && !renew) return [];
    return [{ ...role, targets: new Map(role.targets).set(tag, same ? stands : entry) }];
  });
  return roles.length === 0 ? null : { roles };
}

/** Who signs one tag must not vouch unasked for all that a role said years ago, and nobody believes now. */
function refuseLapsed(
  { gun }: LoadedTrust,
  { name, believed, expires, targets }: EditableRole,
  tag: string,
  now: Date,
): void {
  if (believed || expires === null || expires > now) return;
  const others = [...targets.keys()].filter((one) => one !== tag).length;
  throw new CountersignError(
    'TRUST_DATA_EXPIRED',
    `${name} of ${gun} expired at ${expires.toISOString()}, and signing it makes its ${others} other tags hold again: countersign sign --renew ${gun}:${tag} does that; take out first what must not hold, with: countersign revoke ${gun}:TAG`,
  );
}

async function signableRoles(
  { repository, gun }: LoadedTrust,
  keys: HeldKeys,
  { signer, tag }: TagSigning,
): Promise<{ readonly names: readonly string[]; readonly signer: NamedSigner | null }> {
  const delegations = repository.tree.roles.get('targets')?.delegations ?? [];
  if (delegations.length > 0) {
    const own = delegations.filter(
      (role) =>
        mayName(role, tag) &&
        [...role.keys.values()].some(({ key }) => key?.id === signer.publicKey.id),
    );
    const names = own
      .map(({ name }) => name)
      .filter((name) => isDelegation(name) && parentOf(name) === 'targets');
    if (names.length > 0) return { names, signer };
    throw new CountersignError(
      'NO_SIGNING_KEY',
      `no valid signing keys for delegation roles of ${gun}: ${signer.name ?? 'this key'} is none of its signers; who holds the repository's key adds it with: countersign signer add ${signer.name ?? 'NAME'} --key FILE ${gun}`,
    );
  }
  const role = repository.root.roles.targets;
  if ([...role.keys.values()].some(({ key }) => key?.id === signer.publicKey.id)) {
    return { names: ['targets'], signer };
  }
  for (const key of role.keys.values()) {
    if (await keys.holds(key)) return { names: ['targets'], signer: null };
  }
  throw new CountersignError(
    'NO_SIGNING_KEY',
    `${gun} has no signers but the holder of its targets key, which is not here; who has it adds you with: countersign signer add ${signer.name ?? 'NAME'} --key FILE ${gun}`,
  );
}
