import type { Digest } from '../../../src/oci/digest.ts';
import type { Reference } from '../../../src/oci/reference.ts';
import type { ScanCounts } from '../../../src/log/scan-event.ts';
import type { ShownDecision } from '../../api/decisions.ts';

/**
 * What would become of a pull: `allowed`; `warned`, let through only because its policy does not
 * enforce yet; `refused`; `unknown`, where it could not be found out; `gone`, listed but not there.
 */
export type Verdict = keyof ScanCounts;

/** One tag of a registry, judged. */
export interface Judged {
  /** `HOST/NAME:TAG`. */
  readonly image: string;
  /** What the tag meant; `null` where nobody could tell. */
  readonly digest: Digest | null;
  readonly verdict: Verdict;
  /** The policy's name; `null` where none governs. */
  readonly policy: string | null;
  /** A code of the error table, or of an allow. */
  readonly code: string;
  readonly message: string;
  /** Equal where the policies and revocations were the same; empty where nothing was judged. */
  readonly basis: string;
}

/** An image to be judged: always by tag. */
export type Tagged = Pick<Reference, 'repository' | 'host' | 'path'> & { readonly tag: string };

/** What a decision means for the images of a registry that is to be gated. */
export function verdictOf(shown: ShownDecision): Verdict {
  const { decision, reason, findings } = shown;
  const unread = findings.some((finding) => finding.status === 'inconclusive');
  if (reason.code === 'CANNOT_VERIFY' || (reason.code === 'WARNED' && unread)) return 'unknown';
  if (decision === 'deny') return 'refused';
  return reason.code === 'WARNED' ? 'warned' : 'allowed';
}

/** The reason without the image that it begins with, for where the image stands beside it. */
export function reasonOf({ message }: Pick<Judged, 'message'>): string {
  return message.replace(/^\S+ \(sha(?:256|512):[0-9a-f]{12}\) /, '');
}
