import { codeOf, messageOf } from '../../lib/errors.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Repository } from '../../oci/reference.ts';
import type { StoredEntry } from '../../store/trust-data.ts';
import { canonicalKeyId } from '../../tuf/public-key.ts';
import type { TrustedRepository } from '../../tuf/repository.ts';
import { rootSigners } from '../../tuf/root-certificates.ts';
import { signersOf } from '../../tuf/threshold.ts';
import { findingsOf } from '../finding.ts';
import type { Authority, Evidence, Finding, JudgedSubject, MapEntry } from '../format.ts';
import type { TrustData } from './trust-data.ts';
import type { Voice } from './voices.ts';
import { hear, rolesOf } from './voices.ts';

const finding = findingsOf('dct');

/** Tags of one digest that are told of, by each key, besides the one that it was asked for by. */
const OTHER_TAGS = 32;

/**
 * What the repository's signed map says of a digest: which tags are it now, by whose key; which it was
 * once; and who says otherwise of the same tag. Judging that is the policy's. Trust data that cannot be
 * believed (expired, rolled back, from another root) are `invalid`, since asking again does not help;
 * where they could not be read, that is `inconclusive`.
 */
export async function verifyDct(
  subject: JudgedSubject,
  source: Evidence,
  authorities: readonly Authority[],
): Promise<readonly Finding[]> {
  try {
    const data = await source.trustData();
    if (data === null) return [finding('absent', 'the repository has no trust data')];
    if (!data.current.ok) return [finding('invalid', data.current.refusal.message)];
    return await findIn(subject, data, data.current.value, authorities);
  } catch (error) {
    if (codeOf(error) === 'INTERNAL') throw error;
    return [finding('inconclusive', `trust data could not be read: ${messageOf(error)}`)];
  }
}

async function findIn(
  { repository, digest, tag = null }: JudgedSubject,
  data: TrustData,
  trusted: TrustedRepository,
  authorities: readonly Authority[],
): Promise<readonly Finding[]> {
  const { voices, mutes } = hear(trusted, authorities);
  const stored = await data.entriesOf(digest);
  const common = { expires: trusted.expires, root: rootOf(trusted) };
  const found: Finding[] = [];
  for (const voice of voices) {
    for (const named of tagsToTell(voice, digest, tag)) {
      const { authority, role, keyId, standsOn, evidence } = voice;
      const known = stored.find((one) => one.role === role && one.tag === named);
      const time = known?.publishedAt ?? (await data.publishedAt(role, named, digest));
      found.push(
        finding('valid', `${role} says that ${named} is this digest`, {
          authority,
          keyId,
          evidence,
          signed: { repository, tag: named },
          signedAt: time === null ? null : { time: new Date(time), trusted: true },
          entry: {
            ...common,
            current: true,
            contradictedBy: contradictions(voices, named, digest),
            standsOn,
          },
        }),
      );
    }
  }
  // What a role said once counts for as long as the role itself can be believed.
  const heard = authorities.filter(({ name }) => !mutes.some((mute) => mute.authority === name));
  const once = onceSigned(stored, found, trusted, heard);
  found.push(...once.map((one) => pastFinding(one, repository, common)));
  found.push(...mutes.map(({ authority, reason }) => finding('invalid', reason, { authority })));
  return found.length > 0 ? found : [finding('absent', 'no signed tag is this digest')];
}

/** The tag that was asked for always; of the others as many as a decision needs. */
function tagsToTell(voice: Voice, digest: Digest, asked: string | null): readonly string[] {
  const others = voice.tagsOf(digest);
  if (asked === null || voice.says(asked) !== digest) return others.slice(0, OTHER_TAGS);
  return [asked, ...others.filter((one) => one !== asked).slice(0, OTHER_TAGS)];
}

function contradictions(
  voices: readonly Voice[],
  tag: string,
  digest: Digest,
): MapEntry['contradictedBy'] {
  return voices.flatMap((voice) => {
    const said = voice.says(tag);
    if (said === null || said === digest) return [];
    return [{ authority: voice.authority, keyId: voice.keyId }];
  });
}

/** An entry that was published once by a key that speaks for an authority; of each key the newest. */
interface OnceSigned {
  readonly authority: string;
  readonly entry: StoredEntry;
}

function onceSigned(
  stored: readonly StoredEntry[],
  current: readonly Finding[],
  trusted: TrustedRepository,
  authorities: readonly Authority[],
): readonly OnceSigned[] {
  const out = new Map<string, OnceSigned>();
  for (const { name, keys } of authorities) {
    const roles = rolesOf(name, trusted);
    for (const entry of stored) {
      const { role, tag, keyId } = entry;
      // The repository's own keys are whoever held the roles when it was published.
      const speaks = keys.length === 0 || keys.some((key) => key.id === keyId);
      if (!roles.includes(role) || !speaks || out.has(`${name} ${keyId}`)) continue;
      const stands = current.some(
        (one) => one.authority === name && one.keyId === keyId && one.signed?.tag === tag,
      );
      if (!stands) out.set(`${name} ${keyId}`, { authority: name, entry });
    }
  }
  return [...out.values()];
}

function pastFinding(
  { authority, entry }: OnceSigned,
  repository: Repository,
  common: Pick<MapEntry, 'expires' | 'root'>,
): Finding {
  const { role, tag, keyId, publishedAt } = entry;
  return finding('valid', `${role} once said that ${tag} is this digest`, {
    authority,
    keyId,
    signed: { repository, tag },
    signedAt: { time: new Date(publishedAt), trusted: true },
    entry: { ...common, current: false, contradictedBy: [], standsOn: [] },
  });
}

const roots = new WeakMap<TrustedRepository, MapEntry['root']>();

/** Who signed the root, by every id under which a person may have pinned them. */
function rootOf(trusted: TrustedRepository): MapEntry['root'] {
  const known = roots.get(trusted);
  if (known !== undefined) return known;
  const { envelope, roles } = trusted.root;
  const keys = rootSigners(trusted.root, trusted.gun, null);
  const signers = [...signersOf(envelope, { ...roles.root, keys })].map(([id, listed]) => [
    listed.id,
    canonicalKeyId(listed),
    id,
  ]);
  const root = { signers, threshold: roles.root.threshold };
  roots.set(trusted, root);
  return root;
}
