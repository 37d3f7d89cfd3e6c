import type { JsonObject } from '../lib/json.ts';
import type { Decision } from '../policy/decision.ts';
import type { NewEvent } from '../store/store.ts';
import type { Finding } from '../trust/format.ts';
import { SERVICE, cut, event, policyOf } from './event.ts';

/** Findings that a decision's record spells out; the rest are counted. 12 KiB of data must hold them all. */
const FINDINGS = 16;

function findingSummary(finding: Finding): JsonObject {
  return {
    format: finding.format,
    authority: finding.authority,
    keyId: finding.keyId,
    status: finding.status,
    reason: cut(finding.reason),
    evidence: finding.evidence,
  };
}

/** What a decision's record says of it, besides whom it speaks of: the first {@link FINDINGS} findings are spelt out. */
export function decidedData(decision: Decision): JsonObject {
  const { subject, reason } = decision;
  // What verified comes first: junk that somebody piled up beside it cannot push it out of the record.
  const valid = (finding: Finding): number => (finding.status === 'valid' ? 0 : 1);
  const findings = decision.findings.toSorted((a, b) => valid(a) - valid(b));
  return {
    action: subject.action,
    policy: policyOf(decision),
    code: reason.code,
    message: cut(reason.message),
    findings: findings.slice(0, FINDINGS).map(findingSummary),
    ...(findings.length > FINDINGS ? { moreFindings: findings.length - FINDINGS } : {}),
  };
}

/** `allow` or `deny`: a decision with what it stands on. `nonce` is the same for every try of one recording. */
export function decided(decision: Decision, actor: string, nonce: string): NewEvent {
  return event('dec', decision.decision, decision.subject, actor, decidedData(decision), [nonce]);
}

/** `exception-used`: a policy's exception let a digest through. Recorded once per policy revision. `null` where the decision used none. */
export function exceptionUsed(decision: Decision): NewEvent | null {
  const { subject, exception } = decision;
  if (exception === null) return null;
  const data: JsonObject = {
    policy: policyOf(decision),
    exception: exception.digest,
    approvedBy: exception.approvedBy,
    reason: cut(exception.reason),
  };
  const { repository, digest } = subject;
  return event('sig', 'exception-used', { repository, digest }, SERVICE, data, [
    repository,
    digest,
    data,
  ]);
}

/** `summary`: how often each record's decision was given again, between two instants (ms). */
export function repeated(
  counts: readonly { readonly record: number; readonly count: number }[],
  span: { readonly from: number; readonly to: number },
  unrecorded: number,
  nonce: string,
): NewEvent {
  const data: JsonObject = {
    from: span.from,
    to: span.to,
    repeats: counts.map(({ record, count }) => [record, count]),
    unrecorded,
  };
  return event('dec', 'summary', {}, SERVICE, data, [nonce]);
}
