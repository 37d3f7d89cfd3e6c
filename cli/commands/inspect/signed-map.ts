import { codeOf, CountersignError, messageOf } from '../../../src/lib/errors.ts';
import type { Reference, Repository } from '../../../src/oci/reference.ts';
import { loadTrust } from '../../../src/trust/dct/load.ts';
import type { TrustSession } from '../../../src/trust/dct/session.ts';
import type { Context } from '../../commands.ts';
import type { TrustReport } from '../../docker-trust/report.ts';
import { reportOf } from '../../docker-trust/report.ts';
import type { RegistryFlags } from '../../registry.ts';
import { problemAtGate } from '../../trust-problem.ts';
import { openTrust } from '../../trust-server.ts';

/**
 * What the repository's Notary v1 trust data say of all tags, or of the image's; `null` where it has none.
 * Throws why they cannot be read or believed.
 */
export async function readSignedMap(
  context: Context,
  image: Reference,
  flags: RegistryFlags,
): Promise<TrustReport | null> {
  const session = openTrust(image.host, flags, context.env, () => {});
  // Docker Hub's own trust server is asked by nobody who did not name it.
  if (image.host === 'docker.io' && !session.server.address.named) return null;
  try {
    const loaded = await loadTrust(session, image.repository);
    if (loaded.kind === 'none' && !loaded.pinned) return null;
    if (loaded.kind === 'none') throw gone(session, image.repository);
    if (loaded.kind === 'trusted') {
      const problem = await problemAtGate(context, flags, session.server, image.repository);
      if (problem === null) return reportOf(loaded.repository, image.tag ?? null);
      throw new CountersignError(
        'TRUST_DATA_INVALID',
        `the trust data of ${image.repository} do not count at ${image.host}: ${problem}`,
      );
    }
    const { code, message } = loaded.refusal;
    throw new CountersignError(code, `the trust data of ${image.repository}: ${message}`);
  } finally {
    await session.server.close();
  }
}

/** Signatures that were there are not "none": who answers for a trust server may only hide them. */
function gone({ server, cache }: TrustSession, repository: Repository): CountersignError {
  return new CountersignError(
    'CANNOT_VERIFY',
    `${server.host} has no trust data of ${repository} any more, and this machine has seen some; if they were deleted on purpose, remove ${cache.folder(repository)}`,
  );
}

/** The same beside other signatures: what went wrong is told, and is no failure of the rest. */
export async function trySignedMap(
  context: Context,
  image: Reference,
  flags: RegistryFlags,
): Promise<{ readonly report: TrustReport | null; readonly unread: readonly string[] }> {
  try {
    return { report: await readSignedMap(context, image, flags), unread: [] };
  } catch (error) {
    if (codeOf(error) === 'INTERNAL') throw error;
    return { report: null, unread: [messageOf(error)] };
  }
}
