import { LIMITS } from '../../lib/limits.ts';
import type { Refusal } from '../../lib/result.ts';
import type { Digest } from '../../oci/digest.ts';
import { algorithmOf, digestOf, hexOf } from '../../oci/digest.ts';
import { isTag } from '../../oci/reference.ts';
import { inRole, lookUpTag } from '../../tuf/lookup.ts';
import type { TrustedRepository } from '../../tuf/repository.ts';
import { isDelegation, parentOf, RELEASES } from '../../tuf/role-name.ts';
import type { TrustedTargets } from '../../tuf/targets-tree.ts';
import { mayName } from '../../tuf/targets-tree.ts';
import type { SigningRole } from '../../tuf/threshold.ts';
import type { Authority } from '../format.ts';
import { REPOSITORY } from '../format.ts';
import { handedOnBy } from './handed-on.ts';

/** What one key says about tags, in a role that speaks for an authority. */
export interface Voice {
  readonly authority: string;
  readonly role: string;
  /** Of the policy's key that signed the role's file; of {@link REPOSITORY}, any key that did. */
  readonly keyId: string;
  /** All keys that signed the role's file. */
  readonly signers: ReadonlySet<string>;
  /** See `MapEntry.standsOn`. */
  readonly standsOn: readonly string[];
  /** Digest of the role's file. */
  readonly evidence: Digest;
  /** What it says that a tag is; `null` where it says nothing. One function for all keys of a role. */
  readonly says: (tag: string) => Digest | null;
  /** The tags that it says are this digest. */
  tagsOf(digest: Digest): readonly string[];
}

/** Why nothing can be heard of an authority whose role is there. */
export interface Mute {
  readonly authority: string;
  readonly reason: string;
}

/** Who speaks in a repository, of those that are asked for. */
export interface Heard {
  readonly voices: readonly Voice[];
  readonly mutes: readonly Mute[];
}

/**
 * The roles in which an authority's word counts: docker's two for {@link REPOSITORY}; for a person only
 * a role of its own, `targets/<name>`, or `targets` where nobody was delegated to. `targets/releases` is
 * written anew as a whole by whoever signs, so that it says nothing of who meant an entry.
 */
export function rolesOf(authority: string, { tree }: TrustedRepository): readonly string[] {
  if (authority === REPOSITORY.name) return [RELEASES, 'targets'];
  if (tree.roles.get('targets')?.delegations.length === 0) return ['targets'];
  const own = `targets/${authority}`;
  const direct = isDelegation(own) && parentOf(own) === 'targets' && own !== RELEASES;
  return direct ? [own] : [];
}

/** Hears everybody who is asked for. */
export function hear(repository: TrustedRepository, authorities: readonly Authority[]): Heard {
  const heard = authorities.map((authority) =>
    authority.name === REPOSITORY.name
      ? hearRepository(repository)
      : hearNamed(repository, authority),
  );
  return {
    voices: heard.flatMap((one) => one.voices),
    mutes: heard.flatMap((one) => one.mutes),
  };
}

function hearNamed(repository: TrustedRepository, { name, keys }: Authority): Heard {
  const { tree } = repository;
  const voices: Voice[] = [];
  const mutes: Mute[] = [];
  for (const role of rolesOf(name, repository)) {
    const refusal = tree.unreadable.get(role);
    const file = tree.roles.get(role);
    if (refusal !== undefined) mutes.push({ authority: name, reason: about(role, refusal) });
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

/** As docker looks tags up: in releases, then in targets; who handed the role on bears on it too. */
function hearRepository(repository: TrustedRepository): Heard {
  const { tree } = repository;
  const authority = REPOSITORY.name;
  const refusal = tree.unreadable.get(RELEASES);
  // What releases would have said of a tag is not known, so nobody's word on any tag is.
  if (refusal !== undefined) {
    return { voices: [], mutes: [{ authority, reason: about(RELEASES, refusal) }] };
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
      const others = [...signers.needed, ...above].filter((id) => id !== keyId);
      voices.push({
        authority,
        role,
        keyId,
        signers: signers.ids,
        standsOn: [...new Set(others)],
        evidence: evidenceOf(file),
        says,
        tagsOf: (digest) => taggedIn(file, digest).filter((tag) => says(tag) === digest),
      });
    }
  }
  return { voices, mutes: [] };
}

/** Notary's words mostly name the role. */
function about(role: string, { message }: Refusal): string {
  return message.includes(role) ? message : `${role}: ${message}`;
}

interface Signers {
  /** Ids of the keys themselves that validly signed. */
  readonly ids: ReadonlySet<string>;
  /** Those of them without which the quorum may be lost; none where one is enough. */
  readonly needed: readonly string[];
}

// Everything below is a function of the file alone, which is one object for as long as it is remembered.
const evidenceOfFile = new WeakMap<TrustedTargets, Digest>();
const tagsOfFile = new WeakMap<TrustedTargets, ReadonlyMap<string, readonly string[]>>();

function signersIn({ root, tree }: TrustedRepository, file: TrustedTargets): Signers {
  const parent = tree.roles.get(parentOf(file.name));
  const role: SigningRole | undefined =
    file.name === 'targets'
      ? root.roles.targets
      : parent?.delegations.find((one) => one.name === file.name);
  const ids = new Set(file.signers.keys());
  return { ids, needed: (role?.threshold ?? 1) > 1 ? [...ids] : [] };
}

function evidenceOf(file: TrustedTargets): Digest {
  const known = evidenceOfFile.get(file) ?? digestOf(file.envelope.bytes);
  evidenceOfFile.set(file, known);
  return known;
}

/** The tags that a file names and may name, by what they are. Other names are no image's. */
function taggedIn(file: TrustedTargets, digest: Digest): readonly string[] {
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
