import type { Refused } from '../gate/outcome.ts';
import { refused, refusedBy, warningOf } from '../gate/outcome.ts';
import type { Relayed } from '../gate/upstream/upstream.ts';

import type { Decision } from '../policy/decision.ts';
import type { Governing } from '../policy/policy.ts';

/** What is said of one image. */
export type ImageVerdict =
  | {
      readonly allowed: true;
      /** What the person who applied the object should know, although it is let through. */
      readonly warnings: readonly string[];
      /** The reference with its digest, where mutation gives it one. */
      readonly pinned: string | null;
      /** What it stands on, for the cluster's audit log. */
      readonly standsOn: string;
    }
  | {
      readonly allowed: false;
      readonly code: Refused['code'];
      readonly message: string;
      readonly standsOn: string;
    };

/** A refusal without a decision: the reference itself is at fault, or nothing could be found out. */
export function refusal({ code, message }: Pick<Refused, 'code' | 'message'>): ImageVerdict {
  return { allowed: false, code, message, standsOn: code };
}

/** What a decision means for the object that names the image. */
export function byDecision(
  decision: Decision,
  record: number | null,
  more: { readonly pinned?: string; readonly warnings?: readonly string[] } = {},
): ImageVerdict {
  const standsOn = basis(decision, record);
  if (decision.decision === 'deny') {
    const { code, message } = refusedBy(decision, record);
    return { allowed: false, code, message, standsOn };
  }
  const warning = warningOf(decision);
  const warnings = [...(more.warnings ?? []), ...(warning === null ? [] : [warning])];
  return { allowed: true, warnings, pinned: more.pinned ?? null, standsOn };
}

/** Let through untouched, with or without a word about why. */
export function leftAlone(warning: string | null, standsOn: string): ImageVerdict {
  return { allowed: true, warnings: warning === null ? [] : [warning], pinned: null, standsOn };
}

function basis(decision: Decision, record: number | null): string {
  const { policy, reason, subject } = decision;
  const by =
    policy === null ? 'no policy' : `policy ${policy.name} ${policy.revision.slice(0, 12)}`;
  const at = record === null ? '' : ` record ${record}`;
  return `${subject.repository}@${subject.digest} ${decision.decision} ${reason.code} ${by}${at}`;
}

/**
 * True where something that governs the repository refuses what is not trusted; no policy at all is
 * such a thing. Only where this is false may "could not find out" let an image through.
 */
export function enforces(governing: Governing | null): boolean {
  if (governing === null) return true;
  return [governing, ...governing.floors].some(({ policy }) => policy.mode === 'enforce');
}

/** Upstream's refusal of the one who asks, who has no credentials there. */
export function noCredentials(repository: string, { status }: Relayed): Refused {
  const why =
    status === 401 || status === 403
      ? `admission has no credentials for it (upstream answered ${status})`
      : `upstream answered ${status}`;
  return refused('CANNOT_VERIFY', `${repository} cannot be verified: ${why}`);
}
