import type { Revocation } from '../store/store.ts';
import type { Finding } from '../trust/format.ts';
import type { Decide, Decision, DecisionSubject, Reason } from './decision.ts';
import {
  cannotVerify,
  excepted,
  noPolicy,
  notLookedAt,
  notSigned,
  revoked,
  signedBy,
} from './message.ts';
import type { Exception, Judging } from './policy.ts';
import { tallies as talliesOf } from './quorum.ts';

/** What one policy says; the governing one and every floor say it each for itself. */
interface Verdict {
  readonly decision: Decision['decision'];
  readonly reason: Reason;
  readonly until: Date | null;
  readonly exception: Exception | null;
}

/** A refusal that no retry changes comes before one that a retry may; a warning before a silent yes. */
const WEIGHT: readonly Reason['code'][] = [
  'NOT_TRUSTED',
  'REVOKED',
  'CANNOT_VERIFY',
  'WARNED',
  'EXCEPTION',
  'TRUSTED',
  'OFF',
];

/**
 * The one decision. Pure and synchronous. Denies unless the governing
 * policy and every floor, each by its own mode, let the subject through; a revoked tag or digest is
 * denied whatever the mode, and before any exception.
 */
export const decide: Decide = (governing, subject, findings, now) => {
  const { action, repository, digest, tag } = subject;
  const answer = (decision: Decision['decision'], reason: Reason): Decision => ({
    decision,
    subject: { action, repository, digest, tag },
    policy:
      governing === null ? null : { name: governing.policy.name, revision: governing.revision },
    reason,
    findings,
    validUntil: null,
    exception: null,
  });
  if (governing === null) return answer('deny', { code: 'NO_POLICY', message: noPolicy(subject) });
  const withdrawn = subject.revocations.find((revocation) => concerns(revocation, subject));
  if (withdrawn !== undefined && withdrawn.kind !== 'key') {
    return answer('deny', { code: 'REVOKED', message: revoked(subject, withdrawn) });
  }
  const revokedKeys = new Set(
    subject.revocations.flatMap((revocation) =>
      revocation.kind === 'key' ? revocation.keyId : [],
    ),
  );
  const verdicts = [governing, ...governing.floors].map((judging) =>
    judge(judging, subject, findings, revokedKeys, now),
  );
  const [first] = verdicts.toSorted((a, b) => weight(a) - weight(b)) as [Verdict];
  if (first.decision === 'deny') return answer('deny', first.reason);
  const ends = verdicts.flatMap((verdict) => verdict.until ?? []);
  const exception = verdicts.find((verdict) => verdict.exception !== null)?.exception;
  return {
    ...answer('allow', first.reason),
    validUntil: ends.toSorted((a, b) => a.getTime() - b.getTime())[0] ?? null,
    exception:
      exception === undefined || exception === null
        ? null
        : {
            digest: exception.digest,
            approvedBy: exception.approvedBy,
            reason: exception.reason,
          },
  };
};

const weight = (verdict: Verdict): number => WEIGHT.indexOf(verdict.reason.code);

/** A revoked tag is refused by that name only; a revoked digest by every name, in its repository. */
export function concerns(
  revocation: Revocation,
  subject: Pick<DecisionSubject, 'repository' | 'digest' | 'tag'>,
): boolean {
  if (revocation.kind === 'key' || revocation.repository !== subject.repository) return false;
  return revocation.kind === 'digest'
    ? revocation.digest === subject.digest
    : revocation.tag === subject.tag;
}

function judge(
  { policy, signedNames }: Judging,
  subject: DecisionSubject,
  findings: readonly Finding[],
  revokedKeys: ReadonlySet<string>,
  now: Date,
): Verdict {
  const say = (
    decision: Decision['decision'],
    code: Reason['code'],
    message: string,
    until: Date | null = null,
    exception: Exception | null = null,
  ): Verdict => ({ decision, reason: { code, message }, until, exception });
  if (policy.mode === 'off') return say('allow', 'OFF', notLookedAt(subject, policy.name));

  const { action, tag } = subject;
  const circumstances = { policy, signedNames, action, tag, revokedKeys, now };
  const tallies = talliesOf(findings, circumstances);
  // Nothing required is nothing met: an empty list must not be the way to let everything through.
  const required = policy.require.length > 0;
  if (required && tallies.every((each) => each.met)) {
    const until = tallies
      .flatMap((each) => each.until ?? [])
      .toSorted((a, b) => a.getTime() - b.getTime());
    const signers = [...new Set(tallies.flatMap((each) => each.signers))];
    return say('allow', 'TRUSTED', signedBy(subject, policy.name, signers), until[0] ?? null);
  }

  const exception = policy.exceptions.find((each) => each.digest === subject.digest);
  if (exception !== undefined && now.getTime() < exception.expires.getTime()) {
    const until = new Date(exception.expires.getTime() - 1);
    return say('allow', 'EXCEPTION', excepted(subject, policy.name, exception), until, exception);
  }

  const missing = { tallies, findings, circumstances };
  const unsure = required && tallies.every((each) => each.met || each.possible);
  const message = unsure ? cannotVerify(subject, missing) : notSigned(subject, missing);
  const warns = policy.mode === 'warn' || (subject.action === 'push' && policy.push === 'allow');
  if (warns) return say('allow', 'WARNED', message);
  if (unsure) return say('deny', 'CANNOT_VERIFY', message);
  const fallen = required && tallies.every((each) => each.met || each.metButForRevokedKeys);
  return say('deny', fallen ? 'REVOKED' : 'NOT_TRUSTED', message);
}
