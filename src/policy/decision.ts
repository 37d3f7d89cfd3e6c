import type { ErrorCode } from '../lib/errors.ts';
import type { Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
import type { Revocation } from '../store/store.ts';
import type { Finding } from '../trust/format.ts';
import type { Governing } from './policy.ts';

/** What somebody wants to do with an image. */
export type Action = 'pull' | 'push';

/** What is judged. */
export interface DecisionSubject {
  readonly action: Action;
  readonly repository: Repository;
  readonly digest: Digest;
  /** The tag that was asked for or is to be given; `null` when asked by digest. */
  readonly tag: string | null;
  /** All revocations in force; those that do not concern the subject are ignored. */
  readonly revocations: readonly Revocation[];
}

/** Why, as a code of the error table (`TRUSTED` and its kin for an allow) and one line for a person. */
export interface Reason {
  readonly code: AllowCode | ErrorCode;
  /** Under 200 characters, digests cut to 12 hex digits. */
  readonly message: string;
}

/** Why something was let through. */
export type AllowCode =
  /** Signed as the policy requires. */
  | 'TRUSTED'
  /** A recorded exception covers the digest. */
  | 'EXCEPTION'
  /** The policy only warns; the message says what is missing. */
  | 'WARNED'
  /** The policy does not look (`mode: off`). */
  | 'OFF'
  /** A child of an index that is admitted in the same repository. */
  | 'CHILD'
  /** A signature artifact, admitted as such and never as an image. */
  | 'ARTIFACT'
  /** Something the caller pushed or may sign, within `holdFor`. */
  | 'HELD_READ';

/** `allow` or `deny` for (action, repository, tag, digest), and all that it stands on. */
export interface Decision {
  readonly decision: 'allow' | 'deny';
  readonly subject: Omit<DecisionSubject, 'revocations'>;
  /** `null` where no policy governs the repository. */
  readonly policy: { readonly name: string; readonly revision: string } | null;
  readonly reason: Reason;
  readonly findings: readonly Finding[];
  /** The last instant at which the decision still holds by itself (then evidence is too old, an exception ends); `null`: no end. */
  readonly validUntil: Date | null;
  /** The exception that was used, for the record. */
  readonly exception: {
    readonly digest: Digest;
    readonly approvedBy: string;
    readonly reason: string;
  } | null;
}

/** The shape of the one decision function. `null` governing: no policy, denied. */
export type Decide = (
  governing: Governing | null,
  subject: DecisionSubject,
  findings: readonly Finding[],
  now: Date,
) => Decision;
