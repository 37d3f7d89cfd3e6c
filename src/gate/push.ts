import { held } from '../log/record.ts';
import type { Digest } from '../oci/digest.ts';
import { algorithmOf, digestOf, shortDigest } from '../oci/digest.ts';
import type { Manifest } from '../oci/manifest.ts';
import { parseManifest } from '../oci/manifest.ts';
import type { Repository } from '../oci/reference.ts';
import { splitRepository } from '../oci/reference.ts';
import type { Decision } from '../policy/decision.ts';
import type { Hold, Write } from '../store/store.ts';
import type { EvidenceSource, SignatureFormat } from '../trust/format.ts';
import type { Caller } from './caller.ts';
import { evidenceSource } from './evidence.ts';
import type { Gate } from './gate.ts';
import type { Holds } from './hold.ts';
import type { Refused } from './outcome.ts';
import { refused, refusedBy, refusedByFailure } from './outcome.ts';
import { linksOf } from './links.ts';
import type { GateRegistry } from './ports.ts';
import type { Relayed } from './upstream.ts';

/** A push of a manifest: its raw bytes, and the tag or digest it is given. */
export interface PushRequest {
  readonly registry: GateRegistry;
  readonly repository: Repository;
  readonly reference: { readonly tag: string } | { readonly digest: Digest };
  readonly contentType: string;
  readonly bytes: Uint8Array;
  readonly caller: Caller;
}

/** How a push ends. */
export type PushOutcome =
  | {
      readonly kind: 'created';
      /** The digest of what the client sent. */
      readonly digest: Digest;
      /** What upstream's OCI-Subject header said: it keeps referrers itself. */
      readonly subject: Digest | null;
      /** True where the tag waits for a signature. */
      readonly held: boolean;
      readonly warning: string | null;
    }
  | Refused
  | Relayed;

interface Pushed extends PushRequest {
  readonly digest: Digest;
  readonly manifest: Manifest;
}

/**
 * A push (DESIGN 5): by digest it is passed on, since content without a name is unreachable; a tag is
 * only given to what is trusted, or held, as the policy says. Never throws.
 */
export async function push(gate: Gate, holds: Holds, request: PushRequest): Promise<PushOutcome> {
  try {
    const forbidden = gate.authoriser.check(request.caller, 'push', request.repository);
    if (forbidden !== null) return forbidden;
    const parsed = parseManifest(request.bytes, request.contentType);
    if (!parsed.ok) return refused(parsed.refusal.code, parsed.refusal.message);
    const { reference } = request;
    const digest = digestOf(
      request.bytes,
      'digest' in reference ? algorithmOf(reference.digest) : 'sha256',
    );
    const pushed: Pushed = { ...request, digest, manifest: parsed.value };
    if ('digest' in reference) {
      if (digest !== reference.digest) {
        return refused(
          'DIGEST_INVALID',
          `expected content of ${shortDigest(reference.digest)}, found ${shortDigest(digest)}`,
        );
      }
      return await give(gate, pushed, reference.digest);
    }
    if (gate.artifacts.subjectOf(reference.tag) !== null)
      return await pushArtifact(gate, holds, pushed, reference.tag);
    return await pushTag(gate, holds, pushed, reference.tag);
  } catch (error) {
    const failure = refusedByFailure(error);
    gate.ports.log.warn(
      { code: failure.code, repository: request.repository, error },
      'push failed',
    );
    return failure;
  }
}

async function pushTag(
  gate: Gate,
  holds: Holds,
  pushed: Pushed,
  tag: string,
): Promise<PushOutcome> {
  const { registry, repository, digest, caller } = pushed;
  const question = { registry, repository, digest, tag, action: 'push', caller } as const;
  // An allow, a denial that waits for a signature, or a refusal.
  const judged = async (): Promise<Decision | Refused> => {
    const decision = await gate.evaluator.judge(question);
    if (decision.decision === 'allow') return decision;
    if (!waits(gate, pushed, decision))
      return refusedBy(decision, await gate.recording.record(decision, caller));
    if (!registry.upstreamJudges || caller.authorization === null) return decision;
    // Promotion would need rights in the registry that only this caller has, now.
    const message = `${repository} holds pushes, but the gate has no credentials of its own for this registry`;
    return refused('NOT_TRUSTED', `${message}; sign before pushing, or configure credentials`);
  };
  const first = await judged();
  if ('kind' in first) return first;
  const waiting = waitingFor(gate, pushed, tag);
  return gate.tagLocks.run(`${repository}\n${tag}`, async () => {
    // Again now that it is this push's turn: trust may have been withdrawn while it waited for that.
    const decision = await judged();
    if ('kind' in decision) return decision;
    if (decision.decision === 'deny') return hold(gate, pushed, waiting);
    await gate.recording.record(decision, caller);
    const outcome = await holds.givenByPush(waiting, decision, () => give(gate, pushed, tag));
    gate.tags.forget(repository, tag);
    if (outcome.kind !== 'created') return outcome;
    const warning = decision.reason.code === 'WARNED' ? decision.reason.message : null;
    return { ...outcome, warning };
  });
}

/** True where a tag that is refused for want of a signature waits for it. */
function waits(gate: Gate, { registry, repository }: Pushed, decision: Decision): boolean {
  const rule = gate.evaluator.govern(registry, repository)?.policy.push;
  return decision.reason.code === 'NOT_TRUSTED' && rule === 'hold';
}

function waitingFor(gate: Gate, pushed: Pushed, tag: string): Omit<Hold, 'id' | 'state'> {
  const { repository, digest, bytes, caller, registry } = pushed;
  const pushedAt = gate.ports.now().getTime();
  const holdFor = gate.evaluator.govern(registry, repository)?.policy.holdFor ?? 0;
  const { mediaType } = pushed.manifest;
  const expiresAt = pushedAt + holdFor;
  return {
    repository,
    tag,
    digest,
    mediaType,
    manifest: bytes,
    pushedBy: caller.name,
    pushedAt,
    expiresAt,
  };
}

/** Stores the manifest upstream by digest, and durably remembers which tag waits for it. */
async function hold(
  gate: Gate,
  pushed: Pushed,
  waiting: Omit<Hold, 'id' | 'state'>,
): Promise<PushOutcome> {
  const outcome = await give(gate, pushed, pushed.digest);
  if (outcome.kind !== 'created') return outcome;
  await gate.ports.store.commit([
    { kind: 'hold-add', hold: waiting },
    { kind: 'event', event: held(waiting) },
  ]);
  const name = `${waiting.repository}:${waiting.tag}`;
  const warning = `${name} is held until it is signed: countersign sign ${name}@${waiting.digest}`;
  return { ...outcome, held: true, warning };
}

/** A signature: checked as what it claims to be, stored, and whatever waited for it is promoted. */
async function pushArtifact(
  gate: Gate,
  holds: Holds,
  pushed: Pushed,
  tag: string,
): Promise<PushOutcome> {
  const { registry, repository, digest, bytes, caller } = pushed;
  const source = evidenceSource(registry.upstream, splitRepository(repository).path, caller);
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

/** Puts the manifest upstream under a tag or digest and remembers what it contains. */
async function give(gate: Gate, pushed: Pushed, reference: string): Promise<PushOutcome> {
  const { registry, repository, digest, manifest, bytes, caller } = pushed;
  const { path } = splitRepository(repository);
  const answer = await registry.upstream.putManifest(
    path,
    reference,
    bytes,
    manifest.mediaType,
    caller,
  );
  if (answer.kind === 'relay') return answer;
  const children = linksOf(manifest);
  const writes: Write[] = [
    { kind: 'pushed', repository, digest, by: caller.name, at: gate.ports.now().getTime() },
    ...(children.length === 0
      ? []
      : [{ kind: 'edges', repository, parent: digest, children } as const]),
  ];
  await gate.ports.store.commit(writes);
  gate.links.forget(repository, children);
  gate.manifests.set(repository, { bytes, mediaType: manifest.mediaType, digest });
  return {
    kind: 'created',
    digest,
    subject: answer.subject,
    held: false,
    warning: null,
  };
}
