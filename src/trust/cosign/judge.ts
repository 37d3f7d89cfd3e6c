import type { PublicKey } from '../../keys/key.ts';
import { verifySignature } from '../../keys/verify.ts';
import { sha256Hex } from '../../lib/bytes.ts';
import type { Result } from '../../lib/result.ts';
import type { Digest } from '../../oci/digest.ts';
import { shortDigest } from '../../oci/digest.ts';
import { findingsOf } from '../finding.ts';
import type { Authority, Finding, Subject } from '../format.ts';
import { REFERENCE_ANNOTATION } from '../signed-name.ts';
import type { SignedMessage, Unread } from './evidence.ts';

// Findings kept of what does not count: enough to act on, too few to flood the record.
const INVALID_FINDINGS = 6;

/** What is said of one signature. */
export interface Judged {
  readonly finding: Finding;
  /** What was signed, by which key: the same for the same claim, however it was encoded. */
  readonly claim: string;
}

/** What a signed message says, in whatever form. */
export type Claim = Pick<Finding, 'signed' | 'signedAt' | 'annotations'> & {
  readonly digest: Digest;
};

/** Makes a finding of this format. */
export const finding = findingsOf('cosign');

/** A signature that does not count, whoever made it. */
export const unusable = (reason: string): Judged => ({
  finding: finding('invalid', reason),
  claim: '',
});

/**
 * Judges one signature with the authorities' keys. Raw bytes first: `read` is not called before a
 * trusted key has verified what was signed.
 */
export function judge(
  subject: Subject,
  signed: SignedMessage,
  authorities: readonly Authority[],
  read: () => Result<Claim>,
): Judged {
  const { digest: evidence, message } = signed;
  const signer = signerOf(signed, authorities);
  if (signer === undefined) {
    const reason = 'no known key verifies this signature';
    return { finding: finding('invalid', reason, { evidence }), claim: '' };
  }
  const { name } = signer.authority;
  const by = { authority: name, keyId: signer.key.id, evidence };
  // ECDSA signatures are malleable: what counts once is what was signed and by whom, never the signature's bytes.
  const about = (one: Finding): Judged => ({
    finding: one,
    claim: `${sha256Hex(message)} ${by.keyId}`,
  });
  const claim = read();
  if (!claim.ok) return about(finding('invalid', claim.refusal.message, by));
  const { digest, ...said } = claim.value;
  if (digest !== subject.digest) {
    const reason = `the signature is for ${shortDigest(digest)}, another image`;
    return about(finding('invalid', reason, by));
  }
  const unnamed = `, but names no repository: sign with -a ${REFERENCE_ANNOTATION}=HOST/NAME:TAG`;
  const reason = `signed by ${name}${said.signed === null ? unnamed : ''}`;
  return about(finding('valid', reason, { ...by, ...said }));
}

function signerOf(
  { message, signature }: SignedMessage,
  authorities: readonly Authority[],
): { readonly authority: Authority; readonly key: PublicKey } | undefined {
  for (const authority of authorities) {
    const key = authority.keys.find((candidate) => verifySignature(candidate, message, signature));
    if (key !== undefined) return { authority, key };
  }
  return undefined;
}

/** All that holds, once; the first of what does not count; and in one finding what could not be read. */
export function summarise(judged: readonly (Judged | Unread)[]): readonly Finding[] {
  const valid = new Map<string, Finding>();
  const invalid: Finding[] = [];
  const unread: string[] = [];
  for (const one of judged) {
    if ('unread' in one) unread.push(one.unread);
    else if (one.finding.status === 'valid') valid.set(one.claim, one.finding);
    else invalid.push(one.finding);
  }
  const out = [...valid.values(), ...invalid.slice(0, INVALID_FINDINGS)];
  const dropped = invalid.length - INVALID_FINDINGS;
  if (dropped > 0) out.push(finding('invalid', `${dropped} more signatures do not count`));
  if (unread.length > 0) out.push(unreadable(`${unread.length} signatures`, unread[0] ?? ''));
  return out;
}

/** What is said where there may be more signatures than were found. */
export function unreadable(what: string, why: string): Finding {
  return finding('inconclusive', `${what} could not be read: ${why}`);
}

/** What is said where there are more signatures than are looked at. */
export function tooMany(expected: string, found: string): Finding {
  return finding(
    'invalid',
    `expected at most ${expected}, found ${found}; the others were not looked at`,
  );
}
