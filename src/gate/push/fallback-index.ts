import { isDeepStrictEqual } from 'node:util';
import { LIMITS } from '../../lib/limits.ts';
import type { Digest } from '../../oci/digest.ts';
import { digestOf } from '../../oci/digest.ts';
import { MEDIA } from '../../oci/media-types.ts';
import type { EvidenceTag } from '../../trust/evidence-tag.ts';
import type { FallbackEntry, FallbackIndex } from '../../trust/referrers/fallback-index.ts';
import {
  excessOf,
  readFallbackIndex,
  writeFallbackIndex,
} from '../../trust/referrers/fallback-index.ts';
import type { Gate } from '../gate.ts';
import { signatureArrived } from '../hold/arrival.ts';
import { refused } from '../outcome.ts';
import { evidenceSource } from '../verdict/evidence.ts';
import type { PushOutcome, Pushed } from './give.ts';
import { asPushed, asWritten, giveArtifact } from './give-artifact.ts';
import { bestFirst, keptEntries, newEntries } from './join-referrers.ts';

type IndexTag = Extract<EvidenceTag, { kind: 'index' }>;

/**
 * A push of the list of a digest's referrers under its fallback tag: it needs no signature, counts as
 * no image, and is joined with what stands there. The client is answered for its own digest; the tag
 * serves the union less what was deleted. Whatever waited for one of the referrers is promoted.
 */
export async function pushFallbackIndex(
  gate: Gate,
  pushed: Pushed,
  tag: string,
  claimed: IndexTag,
): Promise<PushOutcome> {
  const { registry, repository, caller } = pushed;
  const own = readFallbackIndex(pushed.bytes, pushed.manifest.mediaType);
  if (!own.ok) return refused(own.refusal.code, own.refusal.message);
  const large = excessOf(own.value);
  if (large !== null) return refused('ARTIFACT_INVALID', large);
  const subjects = new Set<Digest>(claimed.subject === null ? [] : [claimed.subject]);
  const outcome = await gate.tagLocks.run(`${repository}\n${tag}`, () =>
    giveJoined(gate, pushed, tag, own.value, claimed, subjects),
  );
  if (outcome.kind === 'created') {
    gate.tags.forget(repository, tag);
    for (const subject of subjects)
      await signatureArrived(gate, registry, repository, subject, caller);
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
  const [subject = null] = subjects;
  const entries = await bestFirst(gate, pushed, subject, joined);
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

/** True where the index lists exactly these, each in the same words; in this order, where it counts which are looked at first. */
function isList(index: FallbackIndex, entries: readonly FallbackEntry[]): boolean {
  if (index.length !== entries.length) return false;
  const inOrder = entries.length > LIMITS.signatures;
  const listed = [...index.entries.keys()];
  return entries.every(({ descriptor: { digest }, json }, at) => {
    const own = index.entries.get(digest);
    return (
      own !== undefined && isDeepStrictEqual(own.json, json) && (!inOrder || listed[at] === digest)
    );
  });
}
