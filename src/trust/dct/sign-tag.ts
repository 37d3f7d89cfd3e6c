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
import type { FirstKeys } from './first-keys.ts';
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

/** Tags of one repository, each with the target that it is to be. */
export interface TagsSigning extends Pick<TagSigning, 'gun' | 'signer' | 'renew'> {
  readonly tags: ReadonlyMap<string, FileMeta>;
  /** The keys of a repository that is begun, where they were asked for before. */
  readonly first?: FirstKeys | undefined;
}

/** As {@link signTags}, one tag. */
export async function signTag(session: TrustSession, signing: TagSigning): Promise<boolean> {
  return signTags(session, { ...signing, tags: new Map([[signing.tag, targetOf(signing)]]) });
}

/**
 * Signs tags as docker does (dct-protocol 3.6, 5.5), all of them in one publish: into every delegation that
 * lists the signer's key, `targets/releases` among them; into `targets`, by the repository's own key, where
 * nothing is delegated; a repository without trust data is begun, with the signer as its first. Returns
 * whether anything was written. Throws NO_SIGNING_KEY where the signer may not sign one of them there, USAGE
 * for what no target can be, TRUST_DATA_EXPIRED for a role that has expired and is not to be renewed, and as
 * `changeTrust` does.
 */
export async function signTags(session: TrustSession, signing: TagsSigning): Promise<boolean> {
  const { gun, signer, tags, first } = signing;
  return changeTrust(session, gun, {
    begin: async () => {
      signerRole(named(signer));
      const key = tufKeyOf(signer.publicKey);
      const signers = [{ name: named(signer), keys: [key] }];
      const signed = { by: signer, targets: tags };
      return initialise(session, gun, { signers, signed }, first);
    },
    edit: async (loaded, keys) => editTags(session, loaded, keys, signing),
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

async function editTags(
  session: TrustSession,
  loaded: LoadedTrust,
  keys: HeldKeys,
  signing: TagsSigning,
): Promise<TrustEdit | null> {
  const { tags, renew = false } = signing;
  const byRole = new Map<string, Map<string, FileMeta>>();
  let signer: NamedSigner | null = signing.signer;
  for (const [tag, entry] of tags) {
    const signable = await signableRoles(loaded, keys, { signer: signing.signer, tag });
    signer = signable.signer;
    for (const name of signable.names) {
      byRole.set(name, (byRole.get(name) ?? new Map<string, FileMeta>()).set(tag, entry));
    }
  }
  const edit = rolesWithTags(loaded, byRole, renew, session.clock());
  if (edit === null) return null;
  if (signer === null) {
    session.note(
      `${loaded.gun} has no signers: signed by the repository's own key, not by ${signing.signer.name ?? 'this one'}; give it a role of its own with: countersign signer add`,
    );
  }
  return { ...edit, signer };
}

/**
 * The roles with what each is to say of tags in them, but for those where all of it stands and will for
 * long; `null` for none. With `renew` what stands is signed once more. Throws TRUST_DATA_EXPIRED for a
 * role that has expired, unless it is to be renewed.
 */
export function rolesWithTags(
  loaded: LoadedTrust,
  byRole: ReadonlyMap<string, ReadonlyMap<string, FileMeta>>,
  renew: boolean,
  now: Date,
): TrustEdit | null {
  const roles = [...byRole].flatMap(([name, tags]) => {
    const role = editable(loaded, name, now);
    if (!renew) refuseLapsed(loaded, role, tags, now);
    const fresh =
      role.believed && role.expires !== null && role.expires.getTime() - now.getTime() > RESIGN_MS;
    const targets = new Map(role.targets);
    let same = true;
    for (const [tag, entry] of tags) {
      const stands = role.targets.get(tag);
      if (stands?.sha256 === entry.sha256 && stands.length === entry.length) continue;
      targets.set(tag, entry);
      same = false;
    }
    return same && fresh && !renew ? [] : [{ ...role, targets }];
  });
  return roles.length === 0 ? null : { roles };
}

/** Who signs one tag must not vouch unasked for all that a role said years ago, and nobody believes now. */
function refuseLapsed(
  { gun }: LoadedTrust,
  { name, believed, expires, targets }: EditableRole,
  tags: ReadonlyMap<string, FileMeta>,
  now: Date,
): void {
  if (believed || expires === null || expires > now) return;
  const [tag = ''] = tags.keys();
  const others = [...targets.keys()].filter((one) => !tags.has(one)).length;
  throw new CountersignError(
    'TRUST_DATA_EXPIRED',
    `${name} of ${gun} expired at ${expires.toISOString()}, and signing it makes its ${others} other tags hold again: countersign sign --renew ${gun}:${tag} does that; take out first what must not hold, with: countersign revoke ${gun}:TAG`,
  );
}

async function signableRoles(
  { repository, gun }: LoadedTrust,
  keys: HeldKeys,
  { signer, tag }: Pick<TagSigning, 'signer' | 'tag'>,
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
