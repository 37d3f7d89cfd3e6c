import type { ErrorCode } from '../lib/errors.ts';
import { CountersignError, codeOf, messageOf } from '../lib/errors.ts';
import type { Decision } from '../policy/decision.ts';
import type { CachedManifest } from './content/manifests.ts';
import type { Relayed } from './upstream/upstream.ts';

/** A refusal on its way to a client. */
export interface Refused {
  readonly kind: 'refused';
  readonly code: ErrorCode;
  readonly message: string;
  /** Set where the status is not the one of the table (HEAD for those who may push: 404). */
  readonly status?: number;
  /** Seconds, for what may go away by itself. */
  readonly retryAfter?: number;
  /** Set where the tag is not there because what was pushed under it waits for a signature. */
  readonly held?: true;
}

/** A manifest that may be served. */
export interface Served {
  readonly kind: 'serve';
  readonly manifest: Pick<CachedManifest, 'bytes' | 'mediaType' | 'digest'>;
  /** What a `warn` policy has to say. */
  readonly warning: string | null;
}

/** How a manifest request ends. */
export type PullOutcome = Served | Refused | Relayed;

/** Makes a refusal. */
export function refused(
  code: ErrorCode,
  message: string,
  more: Pick<Refused, 'status' | 'retryAfter' | 'held'> = {},
): Refused {
  return { kind: 'refused', code, message, ...more };
}

/** The refusal for a denied decision, with the number of its record. */
export function refusedBy(decision: Decision, record: number | null): Refused {
  const { code, message } = decision.reason;
  const text = record === null ? message : `${message}; record ${record}`;
  if (code === 'CANNOT_VERIFY') return refused('CANNOT_VERIFY', text, { retryAfter: 5 });
  return refused(isErrorCode(code) ? code : 'NOT_TRUSTED', text);
}

/** What a decision that only warns has to say to the client; `null` for every other. */
export function warningOf(decision: Decision): string | null {
  return decision.reason.code === 'WARNED' ? decision.reason.message : null;
}

const ALLOW_CODES = new Set<string>([
  'TRUSTED',
  'EXCEPTION',
  'WARNED',
  'OFF',
  'CHILD',
  'ARTIFACT',
  'HELD_READ',
]);
const isErrorCode = (code: Decision['reason']['code']): code is ErrorCode => !ALLOW_CODES.has(code);

/** Turns what was thrown into a refusal: never an allow, never an internal text shown. */
export function refusedByFailure(error: unknown): Refused {
  const code = codeOf(error);
  if (code === 'INTERNAL')
    return refused('INTERNAL', 'unexpected failure; see the log of the service', { retryAfter: 5 });
  return refused(code, error instanceof CountersignError ? messageOf(error) : 'failed', {
    retryAfter: 5,
  });
}
