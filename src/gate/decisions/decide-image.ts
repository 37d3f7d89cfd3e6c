import type { Digest } from '../../oci/digest.ts';
import type { Repository } from '../../oci/reference.ts';
import type { Action, Decision } from '../../policy/decision.ts';
import type { Caller } from '../access/caller.ts';
import type { Gate } from '../gate.ts';
import type { Refused } from '../outcome.ts';
import { refusedByFailure } from '../outcome.ts';
import type { GateRegistry } from '../ports.ts';
import { judgePull } from '../pull/judge.ts';
import type { Resolved } from '../pull/resolve.ts';
import { mayRead, resolveAndJudge, resolveTag } from '../pull/resolve.ts';
import type { Relayed } from '../upstream/upstream.ts';

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
    const found = await resolveAndJudge(
      gate,
      question,
      () => meantBy(gate, question),
      ({ digest, tag }) => {
        const subject = { registry, repository, digest, tag, caller };
        return action === 'pull'
          ? judgePull(gate, { ...subject, action })
          : gate.evaluator.judge({ ...subject, action });
      },
    );
    if (found.kind !== 'judged') return found;
    const { decision } = found;
    return { kind: 'decided', decision, record: await gate.recording.record(decision, caller) };
  } catch (error) {
    gate.ports.log.warn({ repository, error }, 'decision failed');
    return refusedByFailure(error);
  }
}

/** The digest that is asked about; one that upstream does not have is judged all the same. */
export async function meantBy(
  gate: Gate,
  question: Omit<ImageQuestion, 'action'>,
): Promise<Resolved | Refused | Relayed> {
  const { tag, digest } = question;
  if (digest === null) return resolveTag(gate, question, tag ?? 'latest');
  const answer = await mayRead(gate, question, digest);
  return answer.kind === 'relay' ? answer : { kind: 'digest', digest, tag: null };
}
