import type { RegistryClient } from '../../../src/oci/client.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import type { Reference } from '../../../src/oci/reference.ts';
import { askDecision } from '../../api/decisions.ts';
import { listHolds } from '../../api/holds.ts';

const MORE = 'a signature that its policy asks for is missing';

/**
 * Why what was signed just now is held all the same, in the words of the Countersign; `null` where it
 * is not, or where nobody tells: what was signed is signed, so this never throws.
 */
export async function stillHeld(
  client: RegistryClient,
  image: Reference,
  digest: Digest,
): Promise<string | null> {
  const { repository, tag } = image;
  try {
    const holds = await listHolds(client, { repository, digest });
    if (holds === null || !holds.some((hold) => tag === undefined || hold.tag === tag)) return null;
    const decision = await askDecision(client, { repository, digest });
    // By digest it may be trusted where its tag is not (`bindTag`).
    return decision?.decision === 'deny' ? decision.reason.message : MORE;
  } catch {
    return null;
  }
}
