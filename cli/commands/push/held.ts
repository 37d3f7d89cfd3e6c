import type { Json } from '../../../src/lib/json.ts';
import { isArray, isObject } from '../../../src/lib/json.ts';
import type { RegistryClient } from '../../../src/oci/client.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import type { Reference } from '../../../src/oci/reference.ts';
import { formatReference } from '../../../src/oci/reference.ts';
import { printable } from '../../../src/oci/refusal.ts';

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
  const name = formatReference({ repository: image.repository, tag });
  try {
    const query = new URLSearchParams({ image: name }).toString();
    const { status, body } = await client.api('GET', `/api/v1/holds?${query}`);
    if (status !== 200 || !isObject(body)) return null;
    const holds: Json | undefined = body['holds'];
    const hold = isArray(holds)
      ? holds.filter(isObject).find((item) => item['digest'] === digest && item['tag'] === tag)
      : undefined;
    if (hold === undefined) return null;
    const until = hold['expiresAt'];
    return { until: typeof until === 'string' ? printable(until) : null };
  } catch {
    return null;
  }
}
