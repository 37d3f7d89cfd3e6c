import { codeOf } from '../../lib/errors.ts';
import { LIMITS } from '../../lib/limits.ts';
import type { Digest } from '../../oci/digest.ts';
import { shortDigest } from '../../oci/digest.ts';
import { MEDIA } from '../../oci/media-types.ts';
import type { Repository } from '../../oci/reference.ts';
import { splitRepository } from '../../oci/reference.ts';
import type { Decision } from '../../policy/decision.ts';
import { askedBy } from '../../policy/match.ts';
import { readFallbackIndex } from '../../trust/referrers/fallback-index.ts';
import type { Caller } from '../access/caller.ts';
import type { EvidenceTag } from '../../trust/evidence-tag.ts';
import { evidenceSource } from '../verdict/evidence.ts';
import type { Question } from '../verdict/evaluate.ts';
import type { Gate } from '../gate.ts';
import type { PullOutcome, Refused } from '../outcome.ts';
import { refused, refusedBy, refusedByFailure, warningOf } from '../outcome.ts';
import type { GateRegistry } from '../ports.ts';
import { artifactRead, referrerRead } from './artifact-reads.ts';
import { hasMoved, signedTag } from './signed-tag.ts';
import type { Relayed } from '../upstream/upstream.ts';

/** A request for a manifest, parsed: exactly one of `tag` and `digest`. */
export interface PullRequest {
  readonly registry: GateRegistry;
  readonly repository: Repository;
  readonly reference: { readonly tag: string } | { readonly digest: Digest };
  readonly method: 'GET' | 'HEAD';
  readonly caller: Caller;
}

/**
 * A pull, in one straight line: may the caller read here; which digest is meant, once; is
 * it trusted; record; serve exactly those bytes. Never throws: what goes wrong is a refusal.
 */
export async function pull(gate: Gate, request: PullRequest): Promise<PullOutcome> {
  try {
    const { registry, repository, caller, reference } = request;
    const forbidden = gate.authoriser.check(caller, 'pull', repository);
    if (forbidden !== null) return forbidden;
    const claimed = 'tag' in reference ? gate.artifacts.tagged(reference.tag) : null;
    if ('tag' in reference && claimed !== null)
      return await pullArtifact(gate, request, reference.tag, claimed);

    const found = await resolveAndJudge(
      gate,
      request,
      () => resolve(gate, request),
      ({ digest, tag }) => judge(gate, request, digest, tag),
    );
    if (found.kind !== 'judged') return found;
    const { digest, decision } = found;
    if (decision.decision === 'deny' && (await lacking(gate, request, decision))) {
      return unknown(request, shortDigest(digest));
    }
    const record = await gate.recording.record(decision, caller);
    if (decision.decision === 'deny') return hide(gate, request, refusedBy(decision, record));

    const grace = graceOf(gate, request);
    const answer = await gate.fetcher.fetch(registry, repository, digest, caller, grace);
    if (answer.kind === 'absent') return unknown(request, shortDigest(digest));
    if (answer.kind === 'relay') return answer;
    return { kind: 'serve', manifest: answer, warning: warningOf(decision) };
  } catch (error) {
    const failure = refusedByFailure(error);
    gate.ports.log.warn(
      { code: failure.code, repository: request.repository, error },
      'pull failed',
    );
    return failure;
  }
}

/** The digest that is meant, and the tag that it was asked by. */
export type Resolved = {
  readonly kind: 'digest';
  readonly digest: Digest;
  readonly tag: string | null;
};
type Asked = Pick<PullRequest, 'registry' | 'repository' | 'caller'>;

async function resolve(gate: Gate, request: PullRequest): Promise<Resolved | Refused | Relayed> {
  const { reference } = request;
  if ('tag' in reference) return resolveTag(gate, request, reference.tag);
  const answer = await mayRead(gate, request, reference.digest);
  if (answer.kind === 'relay') return answer;
  if (answer.kind === 'absent') return unknown(request, shortDigest(reference.digest));
  return { kind: 'digest', digest: reference.digest, tag: null };
}

/**
 * Turns a tag into a digest, once: by the signed map where the policy says so and it has the tag, else
 * by the registry. A tag that is not there is refused, with what waits for it.
 */
export async function resolveTag(
  gate: Gate,
  asked: Asked,
  tag: string,
): Promise<Resolved | Refused | Relayed> {
  const { registry, repository, caller } = asked;
  const signed = await signedTag(gate, { registry, repository, tag });
  if (signed !== null) {
    // The registry is not asked what the tag is, but whether this caller may read what is signed.
    const read = await mayRead(gate, asked, signed);
    if (read.kind === 'relay') return read;
    if (read.kind === 'absent') return unknown(asked, `${tag} (${shortDigest(signed)})`);
    return { kind: 'digest', digest: signed, tag };
  }
  const answer = await gate.tags.resolve(registry, repository, tag, caller);
  if (answer.kind === 'relay') return answer;
  if (answer.kind === 'absent') return (await held(gate, asked, tag)) ?? unknown(asked, tag);
  return { kind: 'digest', digest: answer.digest, tag };
}

/** A publish that comes between looking a tag up and judging it must not refuse it; one more each time must not keep a client for ever. */
const TRIES = 3;

/**
 * Finds the digest that is meant, judges it, and does both anew where the signed map has moved on in
 * between.
 */
export async function resolveAndJudge(
  gate: Gate,
  { registry, repository }: Asked,
  find: () => Promise<Resolved | Refused | Relayed>,
  take: (resolved: Resolved) => Promise<Decision> | Decision,
): Promise<Judged | Refused | Relayed> {
  for (let tries = 1; ; tries++) {
    const resolved = await find();
    if (resolved.kind !== 'digest') return resolved;
    const { digest, tag } = resolved;
    const decision = await take(resolved);
    const final = decision.decision === 'allow' || tag === null || tries === TRIES;
    if (final || !(await hasMoved(gate, { registry, repository, tag }, digest))) {
      return { kind: 'judged', digest, decision };
    }
  }
}

/** A digest that was asked for, and the decision on it. */
interface Judged {
  readonly kind: 'judged';
  readonly digest: Digest;
  readonly decision: Decision;
}

/** Whether upstream lets the caller read a digest, for as long as the policy lets an old yes count. */
export function mayRead(
  gate: Gate,
  asked: Asked,
  digest: Digest,
): ReturnType<Gate['authoriser']['upstreamAllows']> {
  const { registry, repository, caller } = asked;
  const grace = graceOf(gate, asked);
  return gate.authoriser.upstreamAllows(registry, repository, digest, caller, grace);
}

/** How long what was known counts while upstream is down (`authGrace`), ms. */
function graceOf(gate: Gate, { registry, repository }: Asked): number {
  return gate.evaluator.govern(registry, repository)?.policy.authGrace ?? 0;
}

/**
 * True where a refused digest is not in the registry at all: that stays "not found", which is what
 * clients that are about to push it need to hear (containerd, crane).
 */
async function lacking(gate: Gate, request: PullRequest, decision: Decision): Promise<boolean> {
  const { registry, repository, caller, reference } = request;
  if (!('digest' in reference) || decision.reason.code === 'CANNOT_VERIFY') return false;
  if (gate.manifests.get(repository, reference.digest) !== undefined) return false;
  try {
    const answer = await gate.tags.resolve(registry, repository, reference.digest, caller);
    return answer.kind === 'absent';
  } catch (error) {
    // What is refused whatever the registry holds (a revocation) stays refused while it is down.
    if (codeOf(error) === 'UPSTREAM_UNAVAILABLE') return false;
    throw error;
  }
}

/**
 * The verdict on a pull: a tag's own; a digest's own, or what it inherits from an index that contains
 * it. The decision API and admission ask the same (rule 1).
 */
export async function judgePull(
  gate: Gate,
  question: Question & { readonly action: 'pull' },
): Promise<Decision> {
  if (question.tag !== null) return gate.evaluator.judge(question);
  const remembered = gate.evaluator.remembered(question);
  if (remembered?.decision === 'allow') return remembered;
  const inherited = await gate.children.admittedBy(question, LIMITS.indexDepth);
  if (inherited?.decision === 'allow') return inherited;
  const own = await gate.evaluator.judge(question);
  if (own.decision === 'allow' || own.reason.code !== 'NOT_TRUSTED') return own;
  // A parent that could not be judged might have admitted it: "could not find out" wins over "no".
  return inherited ?? (await gate.children.searched(question)) ?? own;
}

/** The verdict, or the right to read a signature or what is held: that is the gate's alone, and never a trust decision. */
async function judge(
  gate: Gate,
  request: PullRequest,
  digest: Digest,
  tag: string | null,
): Promise<Decision> {
  const { registry, repository, caller } = request;
  const question = { registry, repository, digest, tag, action: 'pull', caller } as const;
  if (tag !== null) return judgePull(gate, question);
  const artifact = await artifactRead(gate, question);
  if (artifact !== null) return artifact;
  const decision = await judgePull(gate, question);
  if (decision.reason.code !== 'NOT_TRUSTED') return decision;
  return (
    (await referrerRead(gate, question, decision)) ??
    (await gate.reading.heldRead(question, decision)) ??
    decision
  );
}

async function pullArtifact(
  gate: Gate,
  request: PullRequest,
  tag: string,
  claimed: EvidenceTag,
): Promise<PullOutcome> {
  const { registry, repository, caller } = request;
  const { path } = splitRepository(repository);
  const answer = await registry.upstream.manifest(path, tag, caller);
  if (answer.kind === 'relay') return answer;
  if (answer.kind === 'absent') return unknown(request, tag);
  if (gate.evaluator.govern(registry, repository) === null) {
    // Nothing is served where no policy governs, by whatever name it is asked for.
    const question = { ...request, digest: answer.digest, tag, action: 'pull' } as const;
    const none = await gate.evaluator.judge(question);
    return hide(gate, request, refusedBy(none, await gate.recording.record(none, caller)));
  }
  const serve = { kind: 'serve', manifest: answer, warning: null } as const;
  // Content under a digest does not change: to check megabytes again at every HEAD would be a lever (T-59).
  const known = await gate.artifacts.known(repository, answer.digest);
  const isSame = known?.kind === 'signature' && known.name === tag;
  if (isSame && answer.mediaType === MEDIA.ociManifest) return serve;
  const source = evidenceSource(registry, repository, caller);
  const checked =
    claimed.kind === 'index'
      ? readFallbackIndex(answer.bytes, answer.mediaType)
      : await gate.artifacts.checkSignatures(tag, claimed.format, answer, source);
  if (!checked.ok) {
    const why = `${repository}:${tag} is no signature and not served as one: ${checked.refusal.message}`;
    return hide(gate, request, refused('NOT_TRUSTED', why));
  }
  // Clients go on with the digest that the tag gave them (containerd, oras).
  await gate.artifacts.notice(repository, answer.digest, { kind: claimed.kind, name: tag });
  return serve;
}

/** Tells a caller whose tag is not there yet that a push of it waits for a signature. */
async function held(gate: Gate, asked: Asked, tag: string): Promise<Refused | null> {
  const { repository } = asked;
  const [hold] = await gate.ports.store.holds({ repository, tag, states: ['waiting'] });
  if (hold === undefined) return null;
  const name = `${repository}:${tag}`;
  return refused(
    'MANIFEST_UNKNOWN',
    `${name} (${shortDigest(hold.digest)}) is held until it is signed as its policy asks: ${asksDct(gate, asked) ? DOCKER_SIGNS : `countersign sign ${name}`}`,
  );
}

/** What docker's own command does with what is held: without `--local` it signs what was signed before. */
export const DOCKER_SIGNS =
  'docker trust sign --local (without --local it signs the old digest again)';

/** True where trust data can be what a held push waits for. */
export function asksDct(gate: Gate, { registry, repository }: Omit<Asked, 'caller'>): boolean {
  const governing = gate.evaluator.govern(registry, repository);
  return governing !== null && askedBy(governing).formats.includes('dct');
}

function unknown({ repository }: Asked, reference: string): Refused {
  return refused('MANIFEST_UNKNOWN', `${repository} has no manifest ${reference}`);
}

/** HEAD of what is not trusted is 404 to those who push: containerd gives up a push on a 403. */
function hide(gate: Gate, { method, caller, repository }: PullRequest, refusal: Refused): Refused {
  if (method !== 'HEAD' || refusal.code === 'CANNOT_VERIFY') return refusal;
  return gate.pushers.includes(caller, repository) ? { ...refusal, status: 404 } : refusal;
}
