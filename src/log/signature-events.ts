import type { Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
import type { NewEvent } from '../store/store.ts';
import type { Finding, FormatName } from '../trust/format.ts';
import { event } from './event.ts';

/** A signature that was verified with a known key. */
export interface SignatureFact {
  readonly repository: Repository;
  readonly digest: Digest;
  /** The tag that the signature itself names; `null` where it names none. */
  readonly tag: string | null;
  readonly format: FormatName;
  readonly keyId: string;
  readonly authority: string;
  /** Digest of the signed payload. */
  readonly payload: Digest;
}

/** The fact of a valid finding; `null` for a finding that is not valid or has no evidence to name. */
export function signatureOf(
  subject: { readonly repository: Repository; readonly digest: Digest },
  finding: Finding,
): SignatureFact | null {
  const { status, keyId, authority, evidence } = finding;
  if (status !== 'valid' || keyId === null || authority === null || evidence === null) return null;
  const tag = finding.signed?.tag ?? null;
  const { repository, digest } = subject;
  return { repository, digest, tag, format: finding.format, keyId, authority, payload: evidence };
}

/**
 * `signature`: a signature was accepted. Recorded once for the same payload, key and authority,
 * however often it is pushed or found; the actor is whoever brought it first (the service where
 * it found it in the registry).
 */
export function signatureAccepted(fact: SignatureFact, actor: string): NewEvent {
  const { repository, digest, tag, format, keyId, authority, payload } = fact;
  return event('sig', 'signature', fact, actor, { format, keyId, authority, payload }, [
    repository,
    digest,
    tag,
    format,
    keyId,
    authority,
    payload,
  ]);
}
