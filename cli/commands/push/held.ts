import type { RegistryClient } from '../../../src/oci/client.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import type { Reference } from '../../../src/oci/reference.ts';
import { listHolds } from '../../api/holds.ts';

/** A push that was accepted but whose tag waits for a signature. */
export interface Held {
  /** When it is dropped, as the service says it. */
  readonly until: string | null;
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
    return hold === undefined ? null : { until: hold.expiresAt === '' ? null : hold.expiresAt };
  } catch {
    return null;
  }
}
