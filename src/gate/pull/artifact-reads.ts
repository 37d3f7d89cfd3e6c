import { codeOf, messageOf } from '../../lib/errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { shortDigest } from '../../oci/digest.ts';
import type { Manifest } from '../../oci/manifest.ts';
import { parseManifest } from '../../oci/manifest.ts';
import type { Decision } from '../../policy/decision.ts';
import type { ArtifactRecord } from '../../store/store.ts';
import { checkReferrer } from '../../trust/referrers/check.ts';
import { readReferrer } from '../../trust/referrers/shape.ts';
import type { Gate } from '../gate.ts';
import type { Question } from '../verdict/evaluate.ts';
import { evidenceSource } from '../verdict/evidence.ts';

/** The right to read, by digest, what was checked to be an artifact before; `null` where it was not. */
export async function artifactRead(gate: Gate, question: Question): Promise<Decision | null> {
  const artifact = await gate.artifacts.known(question.repository, question.digest);
  if (artifact === null) return null;
  // Where no policy governs, and for what is revoked, an artifact is refused as everything is.
  const own = await gate.evaluator.judge(question);
  return own.reason.code === 'NOT_TRUSTED' ? readable(question, own, artifact) : own;
}

/** The same right to what turns out to be a referrer now, though the gate has not seen it before. */
export async function referrerRead(
  gate: Gate,
  question: Question,
  denied: Decision,
): Promise<Decision | null> {
  const { registry, repository, digest, caller } = question;
  if (gate.artifacts.wasRefused(repository, digest)) return null;
  const answer = await gate.fetcher.fetch(registry, repository, digest, caller);
  if (answer.kind !== 'found') return null;
  const parsed = parseManifest(answer.bytes, answer.mediaType);
  if (!parsed.ok || parsed.value.subject === undefined) return null;
  const subject = await recogniseReferrer(gate, question, parsed.value);
  return subject === null ? null : readable(question, denied, { kind: 'referrer', name: subject });
}

/**
 * The subject of a referrer of a known kind, which is then remembered; `null` for everything else, and
 * for what could not be read now. Throws STORE_UNAVAILABLE where it could not be remembered.
 */
export async function recogniseReferrer(
  gate: Gate,
  {
    registry,
    repository,
    digest,
    caller,
  }: Pick<Question, 'registry' | 'repository' | 'digest' | 'caller'>,
  manifest: Manifest,
): Promise<Digest | null> {
  // By its looks alone first: no image costs a question to the registry.
  if (!readReferrer(manifest).ok) return null;
  const source = evidenceSource(registry, repository, caller);
  const checked = await checkReferrer(manifest, source).catch((error: unknown) => {
    // What could not be read is no artifact now; the refusal that follows says so for the manifest.
    const fields = { repository, digest, code: codeOf(error), error: messageOf(error) };
    gate.ports.log.warn(fields, 'a referrer could not be checked');
    return null;
  });
  if (checked?.ok === false) gate.artifacts.refuse(repository, digest);
  if (checked?.ok !== true) return null;
  const artifact = { kind: 'referrer', name: checked.value, only: true } as const;
  await gate.artifacts.remember(repository, digest, artifact);
  return checked.value;
}

/** It admits itself only, never what its descriptors name: no trust decision, and no parent of anything. */
function readable(
  { repository, digest }: Question,
  denied: Decision,
  { kind, name }: Pick<ArtifactRecord, 'kind' | 'name'>,
): Decision {
  const what =
    kind === 'signature'
      ? `the signature ${name}`
      : `${kind === 'index' ? 'the list of' : 'evidence for'} ${name}`;
  const message = `${repository}@${shortDigest(digest)} is ${what}`.slice(0, 180);
  return { ...denied, decision: 'allow', reason: { code: 'ARTIFACT', message } };
}
