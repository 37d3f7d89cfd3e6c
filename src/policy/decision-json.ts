import type { Digest } from '../oci/digest.ts';
import { formatReference } from '../oci/reference.ts';
import type { Finding } from '../trust/format.ts';
import type { Decision } from './decision.ts';

/** A finding as JSON. */
export interface FindingJson {
  readonly format: string;
  readonly authority: string | null;
  readonly keyId: string | null;
  readonly status: string;
  readonly reason: string;
  readonly signed: { readonly repository: string; readonly tag: string | null } | null;
  /** RFC 3339. */
  readonly signedAt: string | null;
}

/** A decision as JSON: what the API answers and `verify` prints. */
export interface DecisionJson {
  readonly decision: 'allow' | 'deny';
  readonly image: string;
  readonly digest: Digest;
  readonly policy: { readonly name: string; readonly revision: string } | null;
  readonly reason: { readonly code: string; readonly message: string };
  readonly findings: readonly FindingJson[];
  readonly exception: Decision['exception'];
  /** RFC 3339. */
  readonly validUntil: string | null;
  /** The number of its record; `null` where it was not recorded. */
  readonly record: number | null;
}

/** Writes a finding down. */
export function findingJson(finding: Finding): FindingJson {
  const { format, authority, keyId, status, reason, signed, signedAt } = finding;
  const time = signedAt === null ? null : signedAt.time.toISOString();
  return { format, authority, keyId, status, reason, signed, signedAt: time };
}

/** Writes a decision down, with the number of its record. */
export function decisionJson(decision: Decision, record: number | null): DecisionJson {
  const { repository, tag, digest } = decision.subject;
  return {
    decision: decision.decision,
    image: formatReference({ repository, ...(tag === null ? { digest } : { tag }) }),
    digest,
    policy: decision.policy,
    reason: decision.reason,
    findings: decision.findings.map(findingJson),
    exception: decision.exception,
    validUntil: decision.validUntil?.toISOString() ?? null,
    record,
  };
}
