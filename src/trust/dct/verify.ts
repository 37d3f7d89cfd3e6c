import { codeOf, messageOf } from '../../lib/errors.ts';
import type { Digest } from '../../oci/digest.ts';
import type { StoredEntry } from '../../store/trust-data.ts';
import type { TrustedRepository } from '../../tuf/repository.ts';
import type { RootSignatures } from '../../tuf/root-pin.ts';
import { rootSignatures } from '../../tuf/root-pin.ts';
import { findingsOf } from '../finding.ts';
import type { Authority, Evidence, Finding, JudgedSubject, MapEntry } from '../format.ts';
import { handedOnOnce } from './handed-on.ts';
import type { TrustData } from './trust-data.ts';
import { hear } from './hear.ts';
import { underAllIds } from './listed-ids.ts';
import { onceSigned, pastFinding } from './once-signed.ts';
import type { Voice } from './voices.ts';
import { rolesOf } from './voices.ts';

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
  const roles = new Set(authorities.flatMap(({ name }) => rolesOf(name, trusted)));
  const stored = await data.entriesOf(digest, [...roles]);
  const common = { expires: trusted.expires, root: rootOf(trusted) };
  const found: Finding[] = [];
  const contradictions = contradictionsOf(voices, digest);
  const times = publishTimes(data, digest, stored);
  for (const voice of voices) {
    for (const named of tagsToTell(voice, digest, tag)) {
      const { authority, role, keyId, standsOn, evidence } = voice;
      const time = await times(role, named);
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
            contradictedBy: contradictions(named),
            standsOn,
          },
        }),
      );
    }
  }
  // What a role said once counts for as long as the role itself can be believed.
  const heard = authorities.filter(({ name }) => !mutes.some((mute) => mute.authority === name));
  const once = onceSigned(stored, voices, trusted, heard);
  const former = once.length === 0 ? null : await data.formerKeys();
  for (const one of once) {
    const handed = handedOnOnce(trusted, one.authority, one.entry, former);
    if (handed === null) continue;
    const standsOn = underAllIds(trusted, [one.entry.keyId, ...handed]);
    found.push(pastFinding(one, repository, { ...common, standsOn }));
  }
  found.push(...mutes.map(({ authority, reason }) => finding('invalid', reason, { authority })));
  return found.length > 0 ? found : [finding('absent', 'no signed tag is this digest')];
}

/** When each entry was published first; asked of the record once for each, whatever number of keys signed it. */
function publishTimes(
  data: TrustData,
  digest: Digest,
  stored: readonly StoredEntry[],
): (role: string, tag: string) => Promise<number | null> {
  const known = new Map<string, number | null>();
  return async (role, tag) => {
    const key = `${role} ${tag}`;
    const before = known.get(key);
    if (before !== undefined) return before;
    const entry = stored.find((one) => one.role === role && one.tag === tag);
    const time =
      entry === undefined ? await data.publishedAt(role, tag, digest) : entry.publishedAt;
    known.set(key, time);
    return time;
  };
}

/** The tag that was asked for always; of the others as many as a decision needs. */
function tagsToTell(voice: Voice, digest: Digest, asked: string | null): readonly string[] {
  const others = voice.tagsOf(digest);
  if (asked === null || voice.says(asked) !== digest) return others.slice(0, OTHER_TAGS);
  return [asked, ...others.filter((one) => one !== asked).slice(0, OTHER_TAGS)];
}

/** Who says that a tag is another digest; each role is asked once for each tag, whatever number of keys signed it. */
function contradictionsOf(
  voices: readonly Voice[],
  digest: Digest,
): (tag: string) => MapEntry['contradictedBy'] {
  const roles = [...Map.groupBy(voices, ({ says }) => says)];
  const known = new Map<string, MapEntry['contradictedBy']>();
  return (tag) => {
    const against =
      known.get(tag) ??
      roles.flatMap(([says, speakers]) => {
        const said = says(tag);
        if (said === null || said === digest) return [];
        return speakers.map(({ authority, keyId }) => ({ authority, keyId }));
      });
    known.set(tag, against);
    return against;
  };
}

const roots = new WeakMap<TrustedRepository, RootSignatures>();

function rootOf(trusted: TrustedRepository): RootSignatures {
  const root = roots.get(trusted) ?? rootSignatures(trusted.root, trusted.gun);
  roots.set(trusted, root);
  return root;
}
