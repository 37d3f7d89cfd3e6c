import { splitRepository } from '../../oci/reference.ts';
import type { EvidenceTag } from '../../trust/evidence-tag.ts';
import type { EvidenceSource } from '../../trust/format.ts';
import type { Gate } from '../gate.ts';
import { signatureArrived } from '../hold/arrival.ts';
import { refused } from '../outcome.ts';
import { evidenceSource } from '../verdict/evidence.ts';
import { pushFallbackIndex } from './fallback-index.ts';
import type { PushOutcome, Pushed } from './give.ts';
import { asPushed, asWritten, giveArtifact } from './give-artifact.ts';
import { signerOf } from './signer-of.ts';

type SignatureTag = Extract<EvidenceTag, { kind: 'signature' }>;

/** A push under a tag that holds evidence: it needs no signature, but must be what it claims to be. */
export function pushArtifact(
  gate: Gate,
  pushed: Pushed,
  tag: string,
  claimed: EvidenceTag,
): Promise<PushOutcome> {
  return claimed.kind === 'signature'
    ? pushSignatures(gate, pushed, tag, claimed)
    : pushFallbackIndex(gate, pushed, tag, claimed);
}

/** Signatures: checked as what they claim to be, stored, and whatever waited for them is promoted. */
async function pushSignatures(
  gate: Gate,
  pushed: Pushed,
  tag: string,
  claimed: SignatureTag,
): Promise<PushOutcome> {
  const { registry, repository, bytes, caller, manifest } = pushed;
  const source = evidenceSource(registry, repository, caller);
  const artifact = { bytes, mediaType: manifest.mediaType };
  const checked = await gate.artifacts.checkSignatures(tag, claimed.format, artifact, source);
  if (!checked.ok) return refused(checked.refusal.code, checked.refusal.message);
  const outcome = await gate.tagLocks.run(`${repository}\n${tag}`, () =>
    giveMerged(gate, pushed, tag, claimed, source),
  );
  if (outcome.kind === 'created') {
    gate.tags.forget(repository, tag);
    await signatureArrived(gate, registry, repository, claimed.subject, caller);
  }
  return outcome;
}

/**
 * Gives a signature tag without losing what stands there: the client is answered for its
 * own digest, the tag serves the union. To be called under the tag's lock.
 */
async function giveMerged(
  gate: Gate,
  pushed: Pushed,
  tag: string,
  { format, subject }: SignatureTag,
  source: EvidenceSource,
): Promise<PushOutcome> {
  const { registry, repository, caller } = pushed;
  const { mediaType } = pushed.manifest;
  const own = asPushed(pushed, { kind: 'signature', name: tag });
  const signer = signerOf(gate, pushed, subject, source, [format]);
  const merged = await format.mergeArtifacts(await source.manifest(tag), own, (artifact) =>
    signer({ kind: 'tagged', tag, artifact }),
  );
  if (!merged.ok) return refused(merged.refusal.code, merged.refusal.message);
  if (merged.value.kind === 'pushed') return giveArtifact(gate, pushed, own, tag);
  // The client's own manifest stays readable by the digest that it was answered with.
  const outcome = await giveArtifact(gate, pushed, own, pushed.digest);
  if (outcome.kind !== 'created' || merged.value.kind === 'stored') return outcome;
  const { bytes, config } = merged.value;
  const { path } = splitRepository(repository);
  await registry.upstream.putBlob(path, config.digest, config.bytes, caller);
  const union = asWritten(bytes, mediaType, own.artifact);
  const given = await giveArtifact(gate, pushed, union, tag);
  return given.kind === 'created' ? outcome : given;
}
