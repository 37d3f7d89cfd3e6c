import { codeOf, messageOf } from '../../../src/lib/errors.ts';
import type { Reference } from '../../../src/oci/reference.ts';
import { formatReference } from '../../../src/oci/reference.ts';
import type { RevokedTags } from '../../../src/trust/dct/revoke-tags.ts';
import { revokeTags } from '../../../src/trust/dct/revoke-tags.ts';
import type { Context } from '../../commands.ts';
import type { TrustFlags } from '../../trust-server.ts';
import { openTrust } from '../../trust-server.ts';

/**
 * Takes a revoked tag out of its repository's signed map too, as far as the keys are here; `null` where
 * it has no entry there. The revocation is made by then and holds without it, so that this never throws:
 * what could not be done is said.
 */
export async function removeEntry(
  context: Context,
  image: Reference,
  flags: TrustFlags,
): Promise<RevokedTags | null> {
  const { tag, repository } = image;
  if (tag === undefined) return null;
  const output = context.output();
  const name = formatReference({ repository, tag });
  try {
    const session = openTrust(image.host, flags, context.env, (line) => output.warn(line));
    // Docker Hub's own trust server is asked by nobody who did not name it.
    if (image.host === 'docker.io' && !session.server.address.named) return null;
    try {
      const revoked = await revokeTags(session, repository, tag);
      for (const { role } of revoked.removed) output.note(`${name} is no longer signed in ${role}`);
      for (const { role } of revoked.remaining) {
        output.warn(
          `${name} still stands in ${role}, whose keys are not here; the revocation holds`,
        );
      }
      return revoked;
    } finally {
      await session.server.close();
    }
  } catch (error) {
    if (codeOf(error) === 'NO_TRUST_DATA') return null;
    output.warn(
      `${name} may still be signed in dct, and the revocation holds: ${messageOf(error)}`,
    );
    return null;
  }
}
