import type { Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
import type { Action, Decision } from '../policy/decision.ts';
import type { Caller } from './caller.ts';
import type { Gate } from './gate.ts';
import type { Refused } from './outcome.ts';
import { refused, refusedByFailure } from './outcome.ts';
import type { GateRegistry } from './ports.ts';
import { held, judgePull } from './pull.ts';
import type { Relayed } from './upstream.ts';

/** What the decision API is asked: an image by tag or digest (the digest wins where both are named, T-06). */
export interface ImageQuestion {
  readonly registry: GateRegistry;
  readonly repository: Repository;
  readonly tag: string | null;
  readonly digest: Digest | null;
  readonly action: Action;
  readonly caller: Caller;
}

/** A decision with the number of its record, or why there is none. */
export type ImageAnswer =
  | { readonly kind: 'decided'; readonly decision: Decision; readonly record: number | null }
  | Refused
  | Relayed;

/** Decides on an image as the gate would for this caller, and records it. Never throws. */
export async function decideImage(gate: Gate, question: ImageQuestion): Promise<ImageAnswer> {
  const { registry, repository, caller, action } = question;
  try {
    const forbidden = gate.authoriser.check(caller, action, repository);
    if (forbidden !== null) return forbidden;
    let { digest } = question;
    const tag = digest === null ? (question.tag ?? 'latest') : null;
    if (digest === null) {
      const answer = await gate.tags.resolve(registry, repository, tag as string, caller);
      gate.authoriser.note(answer, caller, repository);
      if (answer.kind === 'relay') return answer;
      if (answer.kind === 'absent') {
        return (
          (await held(gate, { repository }, tag as string)) ??
          refused('MANIFEST_UNKNOWN', `${repository} has no manifest ${tag}`)
        );
      }
      digest = answer.digest;
    } else {
      const grace = gate.evaluator.govern(registry, repository)?.policy.authGrace ?? 0;
      const answer = await gate.authoriser.upstreamAllows(
        registry,
        repository,
        digest,
        caller,
        grace,
      );
      if (answer.kind === 'relay') return answer;
    }
    const subject = { registry, repository, digest, tag, caller };
    const decision =
      action === 'pull'
        ? await judgePull(gate, { ...subject, action })
        : await gate.evaluator.judge({ ...subject, action });
    return { kind: 'decided', decision, record: await gate.recording.record(decision, caller) };
  } catch (error) {
    gate.ports.log.warn({ repository, error }, 'decision failed');
    return refusedByFailure(error);
  }
}
