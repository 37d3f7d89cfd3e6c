import { mapParallel } from '../../lib/parallel.ts';
import type { Result } from '../../lib/result.ts';
import { ok } from '../../lib/result.ts';
import type { Authority, EvidenceSource, Finding, Subject } from '../format.ts';
import { findCandidates } from './bundle-candidates.ts';
import { readCandidate } from './bundle-evidence.ts';
import { parseStatement } from './bundle-statement.ts';
import type { Claim } from './judge.ts';
import { finding, judge, summarise, unusable } from './judge.ts';

// Bundles fetched at a time, each a manifest and a blob.
const WIDTH = 8;

/**
 * Verifies the Sigstore bundles that refer to the subject (cosign 3 with `--key`). One finding for
 * each (statement, key) that holds; at most a few for what does not; one `inconclusive` for all that
 * could not be read; one `absent` that counts attestations where there is nothing else; else none.
 */
export async function verifyBundles(
  subject: Subject,
  source: EvidenceSource,
  authorities: readonly Authority[],
): Promise<readonly Finding[]> {
  const { descriptors, findings } = await findCandidates(subject.digest, source);
  const read = await mapParallel(descriptors, WIDTH, async (descriptor) => {
    const signed = await readCandidate(subject, descriptor, source);
    if (typeof signed === 'string' || 'unread' in signed) return signed;
    if (!signed.ok) return unusable(signed.refusal.message);
    const { value } = signed;
    return judge(subject, value, authorities, () => readClaim(value.statement));
  });
  const judged = read.filter((one) => typeof one !== 'string');
  const found = [...summarise(judged), ...findings];
  const attestations = read.filter((one) => one === 'attestation').length;
  if (found.length > 0 || attestations === 0) return found;
  const [are, plural] = attestations === 1 ? ['is', ''] : ['are', 's'];
  return [finding('absent', `${attestations} attestation${plural} ${are} no signature`)];
}

/** Nothing in a bundle says when it was signed that a key of the policy vouches for. */
function readClaim(bytes: Uint8Array): Result<Claim> {
  const statement = parseStatement(bytes);
  return statement.ok ? ok({ ...statement.value, signedAt: null }) : statement;
}
