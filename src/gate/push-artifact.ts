import { digestOf } from '../oci/digest.ts';
import { parseManifest } from '../oci/manifest.ts';
import { splitRepository } from '../oci/reference.ts';
import type { EvidenceSource, SignatureFormat } from '../trust/format.ts';
import { evidenceSource } from './evidence.ts';
import type { Gate } from './gate.ts';
import type { PushOutcome, Pushed } from './give.ts';
import { give } from './give.ts';
import type { Holds } from './hold.ts';
import { refused } from './outcome.ts';

/** A signature: checked as what it claims to be, stored, and whatever waited for it is promoted. */
export async function pushArtifact(
  gate: Gate,
  holds: Holds,
  pushed: Pushed,
  tag: string,
): Promise<PushOutcome> {
  const { registry, repository, digest, bytes, caller } = pushed;
  const source = evidenceSource(registry, repository, caller);
  const claimed = gate.artifacts.subjectOf(tag);
  if (claimed === null)
    return refused('ARTIFACT_INVALID', `${tag.slice(0, 80)} is no signature tag`);
  const manifest = { bytes, mediaType: pushed.manifest.mediaType, digest };
  const checked = await gate.artifacts.check(repository, tag, manifest, source);
  if (!checked.ok) return refused(checked.refusal.code, checked.refusal.message);
  const outcome = await gate.tagLocks.run(`${repository}\n${tag}`, () =>
    giveMerged(gate, pushed, tag, claimed.format, source),
  );
  if (outcome.kind === 'created') {
    gate.tags.forget(repository, tag);
    await holds.signatureArrived(registry, repository, claimed.subject, caller);
  }
  return outcome;
}

/**
 * Gives a signature tag without losing what stands there (DESIGN 5): the client is answered for its
 * own digest, the tag serves the union. To be called under the tag's lock.
 */
async function giveMerged(
  gate: Gate,
  pushed: Pushed,
  tag: string,
  format: SignatureFormat,
  source: EvidenceSource,
): Promise<PushOutcome> {
  const { registry, repository, caller } = pushed;
  const { path } = splitRepository(repository);
  const stored = await source.manifest(tag);
  if (stored === null) return give(gate, pushed, tag);
  const own = { bytes: pushed.bytes, mediaType: pushed.manifest.mediaType };
  const merged = format.mergeArtifacts(stored, own);
  if (!merged.ok) return refused(merged.refusal.code, merged.refusal.message);
  if (merged.value.kind === 'pushed') return give(gate, pushed, tag);
  // The client's own manifest stays readable by the digest that it was answered with.
  const outcome = await give(gate, pushed, pushed.digest);
  if (outcome.kind !== 'created' || merged.value.kind === 'stored') return outcome;
  const { bytes, config } = merged.value;
  await registry.upstream.putBlob(path, config.digest, config.bytes, caller);
  const union = parseManifest(bytes, own.mediaType);
  if (!union.ok) return refused(union.refusal.code, union.refusal.message);
  const digest = digestOf(bytes);
  const given = await give(gate, { ...pushed, bytes, digest, manifest: union.value }, tag);
  if (given.kind !== 'created') return given;
  gate.artifacts.remember(repository, digest, tag);
  return outcome;
}
