import type { Digest } from '../oci/digest.ts';
import { parseFallbackTag } from '../oci/referrers.ts';
import type { SignatureFormat } from './format.ts';

/** What a tag is that holds evidence: a format's signatures, or the list of a digest's referrers. */
export type EvidenceTag =
  | { readonly kind: 'signature'; readonly subject: Digest; readonly format: SignatureFormat }
  | {
      readonly kind: 'index';
      /** `null` where the tag holds only half of the digest (sha512). */
      readonly subject: Digest | null;
      /** How the digest of its subject begins. */
      readonly prefix: string;
    };

/** What an evidence tag of these formats speaks for; `null` for every other tag: only those name images. */
export function evidenceTag(tag: string, formats: readonly SignatureFormat[]): EvidenceTag | null {
  for (const format of formats) {
    const subject = format.subjectOfTag(tag);
    if (subject !== null) return { kind: 'signature', subject, format };
  }
  const fallback = parseFallbackTag(tag);
  return fallback === null ? null : { kind: 'index', ...fallback };
}
