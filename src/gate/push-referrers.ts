import { CountersignError } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import { mapParallel } from '../lib/parallel.ts';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import type { Digest } from '../oci/digest.ts';
import { digestOf, shortDigest } from '../oci/digest.ts';
import { parseManifest } from '../oci/manifest.ts';
import { MEDIA } from '../oci/media-types.ts';
import { splitRepository } from '../oci/reference.ts';
import { keepTrustedFirst } from '../trust/keep-trusted.ts';
import type { FallbackEntry, FallbackIndex } from '../trust/referrers/fallback-index.ts';
import { readFallbackIndex, writeFallbackIndex } from '../trust/referrers/fallback-index.ts';
import type { ArtifactTag } from './artifacts.ts';
import { evidenceSource } from './evidence.ts';
import type { Gate } from './gate.ts';
import type { PushOutcome, Pushed } from './give.ts';
import { asPushed, asWritten, giveArtifact } from './give-artifact.ts';
import type { Holds } from './hold.ts';
import { signerOf } from './merge-evidence.ts';
import { refused } from './outcome.ts';

type IndexTag = Extract<ArtifactTag, { kind: 'index' }>;

/** Questions to upstream under way at a time while an index is joined. */
const WIDTH = 8;

/**
 * A push of the list of a digest's referrers under its fallback tag: it needs no signature, counts as
 * no image, and is joined with what stands there. The client is answered for its own digest; the tag
 * serves the union less what was deleted. Whatever waited for one of the referrers is promoted.
 */
export async function pushFallbackIndex(
  gate: Gate,
  holds: Holds,
  pushed: Pushed,
  tag: string,
  claimed: IndexTag,
): Promise<PushOutcome> {
  const { registry, repository, caller } = pushed;
  const own = readFallbackIndex(pushed.bytes, pushed.manifest.mediaType);
  if (!own.ok) return refused(own.refusal.code, own.refusal.message);
  const subjects = new Set<Digest>(claimed.subject === null ? [] : [claimed.subject]);
  const outcome = await gate.tagLocks.run(`${repository}\n${tag}`, () =>
    giveJoined(gate, pushed, tag, own.value, claimed, subjects),
  );
  if (outcome.kind === 'created') {
    gate.tags.forget(repository, tag);
    for (const subject of subjects)
      await holds.signatureArrived(registry, repository, subject, caller);
  }
  return outcome;
}

/** To be called under the tag's lock; adds the subjects of what is new to `subjects`. */
async function giveJoined(
  gate: Gate,
  pushed: Pushed,
  tag: string,
  own: FallbackIndex,
  claimed: IndexTag,
  subjects: Set<Digest>,
): Promise<PushOutcome> {
  const artifact = { kind: 'index', name: tag } as const;
  const given = asPushed(pushed, artifact);
  const stored = await standing(gate, pushed, tag);
  const list = stored?.index ?? null;
  const added = await newEntries(gate, pushed, own, list, claimed.prefix);
  if (!added.ok) return refused(added.refusal.code, added.refusal.message);
  for (const { subject } of added.value) subjects.add(subject);
  const kept = await keptEntries(gate, pushed, own, list);
  const joined = [...kept, ...added.value.map((one) => one.entry)];
  const [subject] = subjects;
  const source = evidenceSource(pushed.registry, pushed.repository, pushed.caller);
  const signer = subject === undefined ? null : signerOf(gate, pushed, subject, source);
  const entries = await keepTrustedFirst(
    joined,
    LIMITS.fallbackEntries,
    async ({ descriptor }) => signer?.({ kind: 'referrer', descriptor }) ?? null,
    LIMITS.signatures,
  );
  if (isList(own, entries)) return giveArtifact(gate, pushed, given, tag);
  if (stored !== null && isList(stored.index, entries)) {
    gate.artifacts.keep(pushed.repository, stored.digest);
    return giveArtifact(gate, pushed, given, pushed.digest);
  }
  const union = asWritten(writeFallbackIndex(own.root, entries), MEDIA.ociIndex, artifact);
  const first = await giveArtifact(gate, pushed, union, tag);
  if (first.kind !== 'created') return first;
  const outcome = await giveArtifact(gate, pushed, given, pushed.digest);
  if (outcome.kind === 'created') return outcome;
  // A list that still names what was deleted meanwhile is not stored by registries that look; the tag
  // has what is new in it all the same.
  const there = new Set(joined.map((entry) => entry.descriptor.digest));
  const stale = [...own.entries.keys()].some((digest) => !there.has(digest));
  return stale ? { ...first, digest: pushed.digest } : outcome;
}

interface Standing {
  readonly digest: Digest;
  readonly index: FallbackIndex;
}

/** What stands under the tag; it is about to be superseded, and its client may want to delete it. */
async function standing(gate: Gate, pushed: Pushed, tag: string): Promise<Standing | null> {
  const { registry, repository, caller } = pushed;
  const stored = await evidenceSource(registry, repository, caller).manifest(tag);
  if (stored === null) return null;
  const index = readFallbackIndex(stored.bytes, stored.mediaType);
  // What is no list of referrers is simply overwritten.
  if (!index.ok) return null;
  const digest = digestOf(stored.bytes);
  await gate.artifacts.notice(repository, digest, { kind: 'index', name: tag });
  return { digest, index: index.value };
}

interface NewEntry {
  readonly entry: FallbackEntry;
  readonly subject: Digest;
}

/**
 * The entries that are not there yet. Each must be a manifest of the repository that names the tag's
 * subject as its own, so that the list never becomes a list of images; one that the repository does
 * not have was deleted by somebody else meanwhile, and is left out.
 */
async function newEntries(
  gate: Gate,
  pushed: Pushed,
  own: FallbackIndex,
  stored: FallbackIndex | null,
  prefix: string,
): Promise<Result<readonly NewEntry[]>> {
  const { registry, repository, caller } = pushed;
  const fresh = [...own.entries.values()].filter(
    (entry) => stored?.entries.has(entry.descriptor.digest) !== true,
  );
  const checked = await mapParallel(
    fresh,
    WIDTH,
    async (entry): Promise<Result<NewEntry | null>> => {
      const { digest } = entry.descriptor;
      const answer = await gate.fetcher.fetch(registry, repository, digest, caller);
      if (answer.kind === 'relay') {
        throw new CountersignError(
          'UPSTREAM_UNAVAILABLE',
          `the registry answered ${answer.status} when asked for a referrer`,
        );
      }
      if (answer.kind === 'absent') return ok(null);
      const parsed = parseManifest(answer.bytes, answer.mediaType);
      if (!parsed.ok) return parsed;
      const subject = parsed.value.subject?.digest;
      if (subject === undefined || !subject.startsWith(prefix)) {
        return refuse(
          'ARTIFACT_INVALID',
          `expected referrers of ${prefix.slice(0, 19)}, found ${shortDigest(digest)}, which does not name it as its subject`,
        );
      }
      return ok({ entry, subject });
    },
  );
  const entries: NewEntry[] = [];
  for (const one of checked) {
    if (!one.ok) return one;
    if (one.value !== null) entries.push(one.value);
  }
  return ok(entries);
}

/**
 * The entries that stay of those that stand there. One that the pushed list lacks was either deleted
 * by its writer, or written after that one had read: it is dropped only where its manifest is gone.
 */
async function keptEntries(
  gate: Gate,
  pushed: Pushed,
  own: FallbackIndex,
  stored: FallbackIndex | null,
): Promise<readonly FallbackEntry[]> {
  const { registry, repository, caller } = pushed;
  const { path } = splitRepository(repository);
  const entries = [...(stored?.entries.values() ?? [])];
  const gone = await mapParallel(entries, WIDTH, async ({ descriptor: { digest } }) => {
    if (own.entries.has(digest)) return false;
    const answer = await registry.upstream.head(path, digest, caller);
    if (answer.kind === 'absent') gate.manifests.delete(repository, digest);
    return answer.kind === 'absent';
  });
  return entries.filter((_, at) => gone[at] !== true);
}

/** True where the index lists exactly these; in this order, where it counts which are looked at first. */
function isList(index: FallbackIndex, entries: readonly FallbackEntry[]): boolean {
  const digests = entries.map((entry) => entry.descriptor.digest);
  if (index.entries.size !== digests.length) return false;
  if (digests.length <= LIMITS.signatures) return digests.every((one) => index.entries.has(one));
  const listed = [...index.entries.keys()];
  return digests.every((one, at) => one === listed[at]);
}
