import { codeOf } from '../../lib/errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { shortDigest } from '../../oci/digest.ts';
import type { Repository } from '../../oci/reference.ts';
import type { Decision } from '../../policy/decision.ts';
import type { Caller } from '../access/caller.ts';
import type { Gate } from '../gate.ts';
import type { PullOutcome, Refused } from '../outcome.ts';
import { refused, refusedBy, refusedByFailure, warningOf } from '../outcome.ts';
import type { GateRegistry } from '../ports.ts';
import type { Relayed } from '../upstream/upstream.ts';
import { pullArtifact } from './artifact.ts';
import { judgeRead } from './judge.ts';
import type { Resolved } from './resolve.ts';
import { graceOf, mayRead, resolveAndJudge, resolveTag, unknown } from './resolve.ts';

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
    if ('tag' in reference && claimed !== null) {
      const outcome = await pullArtifact(gate, request, reference.tag, claimed);
      return outcome.kind === 'refused' ? hide(gate, request, outcome) : outcome;
    }

    const found = await resolveAndJudge(
      gate,
      request,
      () => resolve(gate, request),
      ({ digest, tag }) =>
        judgeRead(gate, { registry, repository, digest, tag, action: 'pull', caller }),
    );
    // There is an image, and it is not signed yet: containerd shows the reason of a 403 alone.
    if (found.kind === 'refused' && found.held === true)
      return hide(gate, request, refused('NOT_TRUSTED', found.message));
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
    const fields = { code: failure.code, repository: request.repository, error };
    gate.ports.log.warn(fields, 'pull failed');
    return failure;
  }
}

async function resolve(gate: Gate, request: PullRequest): Promise<Resolved | Refused | Relayed> {
  const { reference } = request;
  if ('tag' in reference) return resolveTag(gate, request, reference.tag);
  const answer = await mayRead(gate, request, reference.digest);
  if (answer.kind === 'relay') return answer;
  if (answer.kind === 'absent') return unknown(request, shortDigest(reference.digest));
  return { kind: 'digest', digest: reference.digest, tag: null };
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

/** HEAD of what is not trusted is 404 to those who push: containerd gives up a push on a 403. */
function hide(gate: Gate, request: PullRequest, refusal: Refused): Refused {
  const { method, caller, repository, reference } = request;
  if (method !== 'HEAD' || refusal.code === 'CANNOT_VERIFY') return refusal;
  const tag = 'tag' in reference ? reference.tag : null;
  return gate.pushers.includes(caller, repository, tag) ? { ...refusal, status: 404 } : refusal;
}
