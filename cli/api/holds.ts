import { isArray, isCount, isObject } from '../../src/lib/json.ts';
import type { RegistryClient } from '../../src/oci/client.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { algorithmOf, digestOf, isDigest } from '../../src/oci/digest.ts';
import type { Reference } from '../../src/oci/reference.ts';
import { formatReference } from '../../src/oci/reference.ts';
import { printable } from '../../src/oci/refusal.ts';
import { apiObject, malformed, textOf } from './answer.ts';

/** A push that waits for a signature. */
export interface WaitingHold {
  readonly id: number;
  readonly tag: string;
  readonly digest: Digest;
  readonly pushedBy: string;
  /** As the service says it. */
  readonly pushedAt: string;
  /** When it is dropped, as the service says it. */
  readonly expiresAt: string;
}

/** What is held under a tag or digest; `null` where no Countersign serves the host. Throws what the client throws. */
export async function listHolds(
  client: RegistryClient,
  image: Pick<Reference, 'repository' | 'tag' | 'digest'>,
): Promise<readonly WaitingHold[] | null> {
  const query = new URLSearchParams({ image: formatReference(image) }).toString();
  const body = apiObject(await client.api('GET', `/api/v1/holds?${query}`));
  if (body === null) return null;
  const { holds } = body;
  if (!isArray(holds)) throw malformed('a list of holds');
  return holds.map((hold): WaitingHold => {
    if (!isObject(hold) || !isCount(hold['id'])) throw malformed('holds');
    const digest = textOf(hold['digest']);
    if (!isDigest(digest)) throw malformed('the digest of a hold');
    return {
      id: hold['id'],
      tag: textOf(hold['tag']),
      digest,
      pushedBy: printable(textOf(hold['pushedBy'])),
      pushedAt: printable(textOf(hold['pushedAt'])),
      expiresAt: printable(textOf(hold['expiresAt'])),
    };
  });
}

/** A held manifest, or one that it contains, checked against its digest; `null` where the hold does not contain it. */
export async function readHeld(
  client: RegistryClient,
  hold: WaitingHold,
  digest: Digest,
): Promise<{ readonly bytes: Uint8Array; readonly mediaType: string } | null> {
  const query = new URLSearchParams({ digest }).toString();
  const { status, bytes, mediaType } = await client.api(
    'GET',
    `/api/v1/holds/${hold.id}/manifest?${query}`,
  );
  if (status !== 200) return null;
  if (digestOf(bytes, algorithmOf(digest)) !== digest) throw malformed('the held manifest');
  return { bytes, mediaType };
}
