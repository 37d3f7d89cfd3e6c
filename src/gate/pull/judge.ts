import { LIMITS } from '../../lib/limits.ts';
import type { Decision } from '../../policy/decision.ts';
import type { Gate } from '../gate.ts';
import type { Question } from '../verdict/evaluate.ts';
import { artifactRead, referrerRead } from './artifact-reads.ts';

type PullQuestion = Question & { readonly action: 'pull' };

/**
 * The verdict on a pull: a tag's own; a digest's own, or what it inherits from an index that contains
 * it. The decision API and admission ask the same (rule 1).
 */
export async function judgePull(gate: Gate, question: PullQuestion): Promise<Decision> {
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
export async function judgeRead(gate: Gate, question: PullQuestion): Promise<Decision> {
  if (question.tag !== null) return judgePull(gate, question);
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
