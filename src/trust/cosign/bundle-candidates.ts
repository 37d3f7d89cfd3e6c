import { LIMITS } from '../../lib/limits.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Descriptor } from '../../oci/manifest.ts';
import { MEDIA } from '../../oci/media-types.ts';
import { fallbackTag, parseReferrers } from '../../oci/referrers.ts';
import { isBundleType } from '../bundle-type.ts';
import type { EvidenceSource, Finding } from '../format.ts';
import { reading } from './evidence.ts';
import { finding, tooMany, unreadable } from './judge.ts';
import { PREDICATE_ANNOTATION, SIGN_PREDICATE } from './names.ts';

/** Where bundles may be, and what is to be said of the lists themselves. */
export interface Candidates {
  /** At most {@link LIMITS.signatures}, in the order in which they are looked at. */
  readonly descriptors: readonly Descriptor[];
  readonly findings: readonly Finding[];
}

interface Listed {
  readonly descriptors: readonly Descriptor[];
  readonly findings: readonly Finding[];
}

/**
 * Finds the manifests that may hold bundles for the digest: those that the registry lists as its
 * referrers, and those of the index that clients keep where it does not. Both are read, at once: a
 * registry that learned the API later may know of some by the index only. What lists say of an entry
 * decides nothing but the order in which entries are looked at.
 */
export async function findCandidates(digest: Digest, source: EvidenceSource): Promise<Candidates> {
  const [listed, indexed] = await Promise.all([
    readList(digest, source),
    readIndex(digest, source),
  ]);
  const distinct = new Map<Digest, Descriptor>();
  for (const one of alternately(listed.descriptors, indexed.descriptors)) {
    const known = distinct.get(one.digest);
    if (known === undefined || rankOf(one) < rankOf(known)) distinct.set(one.digest, one);
  }
  const wanted = [...distinct.values()]
    .filter(mayBeBundle)
    // Stable: of one rank, the lists' own order.
    .toSorted((a, b) => rankOf(a) - rankOf(b));
  const most = LIMITS.signatures;
  const cut = wanted.length > most ? [tooMany(`${most} bundles`, String(wanted.length))] : [];
  return {
    descriptors: wanted.slice(0, most),
    findings: [...listed.findings, ...indexed.findings, ...cut],
  };
}

async function readList(digest: Digest, source: EvidenceSource): Promise<Listed> {
  const answer = await reading(() => source.referrers(digest));
  if ('unread' in answer) return trouble(unreadable('referrers', answer.unread));
  if (answer.value === null) return { descriptors: [], findings: [] };
  const { descriptors, complete } = answer.value;
  const more = tooMany(`${LIMITS.referrers} referrers in ${LIMITS.referrerPages} pages`, 'more');
  return { descriptors, findings: complete ? [] : [more] };
}

async function readIndex(digest: Digest, source: EvidenceSource): Promise<Listed> {
  const answer = await reading(() => source.manifest(fallbackTag(digest)));
  if ('unread' in answer) return trouble(unreadable('the index of referrers', answer.unread));
  if (answer.value === null) return { descriptors: [], findings: [] };
  const index = parseReferrers(answer.value.bytes, answer.value.mediaType);
  return index.ok
    ? { descriptors: index.value, findings: [] }
    : trouble(finding('invalid', `the index of referrers: ${index.refusal.message.slice(0, 200)}`));
}

const trouble = (said: Finding): Listed => ({ descriptors: [], findings: [said] });

/** One of each in turn, so that neither list, filled with junk, hides the other's entries. */
function alternately<T>(a: readonly T[], b: readonly T[]): readonly T[] {
  return Array.from({ length: Math.max(a.length, b.length) }, (_, at) => [
    ...a.slice(at, at + 1),
    ...b.slice(at, at + 1),
  ]).flat();
}

/** cosign lists its bundles in a fallback index as what their config is, others list none at all. */
function mayBeBundle({ artifactType }: Descriptor): boolean {
  return (
    artifactType === undefined || artifactType === MEDIA.ociEmpty || isBundleType(artifactType)
  );
}

/** Bundles first, then what may be some, then those that are attestations by their own word. */
function rankOf({ artifactType, annotations }: Descriptor): number {
  const predicate = annotations?.[PREDICATE_ANNOTATION] ?? SIGN_PREDICATE;
  if (predicate !== SIGN_PREDICATE) return 2;
  return artifactType !== undefined && isBundleType(artifactType) ? 0 : 1;
}
