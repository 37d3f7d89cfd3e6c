import type { RegistryClient } from '../../../src/oci/client.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import type { Reference } from '../../../src/oci/reference.ts';
import { askDecision } from '../../api/decisions.ts';
import { listHolds } from '../../api/holds.ts';

/** A push that was accepted but whose tag waits for a signature. */
export interface Held {
  /** When it is dropped, as the service says it. */
  readonly until: string | null;
  /** What is missing, in the words of the service; `null` where it does not tell. */
  readonly missing: string | null;
}

/**
 * Asks the Countersign that may stand before the registry whether a push is held; a held push is
 * answered like any other, so nothing else tells. `null` also where nobody answers: what cannot be
 * known is not said, and the push itself is done.
 */
export async function findHold(
  client: RegistryClient,
  image: Pick<Reference, 'repository'>,
  tag: string,
  digest: Digest,
): Promise<Held | null> {
  try {
    const holds = await listHolds(client, { repository: image.repository, tag });
    const hold = holds?.find((one) => one.digest === digest && one.tag === tag);
    if (hold === undefined) return null;
    const decision = await askDecision(client, { ...image, digest }).catch(() => null);
    const missing = decision?.decision === 'deny' ? decision.reason.message : null;
    return { until: hold.expiresAt === '' ? null : hold.expiresAt, missing };
  } catch {
    return null;
  }
}
