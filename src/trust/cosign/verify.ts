import type { Authority, EvidenceSource, Finding, Subject } from '../format.ts';
import { verifyClassic } from './classic.ts';
import { finding } from './judge.ts';
import { signatureTag } from './names.ts';
import { verifyBundles } from './verify-bundles.ts';

/**
 * Finds all cosign signatures of the subject, classic ones and bundles, and verifies them with the
 * authorities' keys. Both stores are asked at once, in three rounds: the lists, what they name, its
 * content. Neither hides the other (cosign 3 looks at bundles only where there are any): trouble with
 * one is an `inconclusive` finding beside what the other says. `absent` is said once, of both.
 */
export async function verifyCosign(
  subject: Subject,
  source: EvidenceSource,
  authorities: readonly Authority[],
): Promise<readonly Finding[]> {
  const tag = signatureTag(subject.digest);
  if (tag === null) return [finding('absent', 'cosign keeps no signatures for sha512 digests')];
  const stores = await Promise.all([
    verifyClassic(subject, tag, source, authorities),
    verifyBundles(subject, source, authorities),
  ]);
  const all = stores.flat();
  const found = all.filter((one) => one.status !== 'absent');
  if (found.length > 0) return found;
  return [finding('absent', all.map((one) => one.reason).join('; '))];
}
