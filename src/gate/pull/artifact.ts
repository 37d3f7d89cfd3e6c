import { MEDIA } from '../../oci/media-types.ts';
import { splitRepository } from '../../oci/reference.ts';
import type { EvidenceTag } from '../../trust/evidence-tag.ts';
import { readFallbackIndex } from '../../trust/referrers/fallback-index.ts';
import type { Gate } from '../gate.ts';
import type { PullOutcome } from '../outcome.ts';
import { refused, refusedBy } from '../outcome.ts';
import { evidenceSource } from '../verdict/evidence.ts';
import type { Asked } from './resolve.ts';
import { unknown } from './resolve.ts';

/**
 * A pull of a tag that holds evidence: it needs no signature, but is served only as what its tag claims
 * (T-10). Throws where the store or the registry cannot be reached.
 */
export async function pullArtifact(
  gate: Gate,
  asked: Asked,
  tag: string,
  claimed: EvidenceTag,
): Promise<PullOutcome> {
  const { registry, repository, caller } = asked;
  const { path } = splitRepository(repository);
  const answer = await registry.upstream.manifest(path, tag, caller);
  if (answer.kind === 'relay') return answer;
  if (answer.kind === 'absent') return unknown(asked, tag);
  const { digest } = answer;
  if (gate.evaluator.govern(registry, repository) === null) {
    // Nothing is served where no policy governs, by whatever name it is asked for.
    const question = { registry, repository, caller, digest, tag, action: 'pull' } as const;
    const none = await gate.evaluator.judge(question);
    return refusedBy(none, await gate.recording.record(none, caller));
  }
  const serve = { kind: 'serve', manifest: answer, warning: null } as const;
  // Content under a digest does not change: to check megabytes again at every HEAD would be a lever (T-59).
  const known = await gate.artifacts.known(repository, digest);
  const isSame = known?.kind === 'signature' && known.name === tag;
  if (isSame && answer.mediaType === MEDIA.ociManifest) return serve;
  const source = evidenceSource(registry, repository, caller);
  const checked =
    claimed.kind === 'index'
      ? readFallbackIndex(answer.bytes, answer.mediaType)
      : await gate.artifacts.checkSignatures(tag, claimed.format, answer, source);
  if (!checked.ok) {
    const why = `${repository}:${tag} is no signature and not served as one: ${checked.refusal.message}`;
    return refused('NOT_TRUSTED', why);
  }
  // Clients go on with the digest that the tag gave them (containerd, oras).
  await gate.artifacts.notice(repository, digest, { kind: claimed.kind, name: tag });
  return serve;
}
