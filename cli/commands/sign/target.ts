import { CountersignError, codeOf } from '../../../src/lib/errors.ts';
import type { RegistryClient } from '../../../src/oci/client.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import { isDigest } from '../../../src/oci/digest.ts';
import type { Reference } from '../../../src/oci/reference.ts';
import { formatReference } from '../../../src/oci/reference.ts';
import type { EvidenceSink } from '../../../src/trust/format.ts';
import { askDecision } from '../../api/decisions.ts';
import type { WaitingHold } from '../../api/holds.ts';
import { listHolds, readHeld } from '../../api/holds.ts';

/**
 * The one digest that an image argument means. A digest in the argument decides. A tag is what the
 * registry has and what is held under it; where these are several, throws AMBIGUOUS with the commands
 * to choose from: nobody signs by accident what another pushed. Throws MANIFEST_UNKNOWN for nothing.
 */
export async function chooseDigest(client: RegistryClient, image: Reference): Promise<Digest> {
  if (image.digest !== undefined) return image.digest;
  const inRegistry = await resolveTag(client, image);
  const holds = (await holdsOf(client, image)) ?? [];
  const [first, ...others] = new Set([
    ...(inRegistry === null ? [] : [inRegistry]),
    ...holds.map((hold) => hold.digest),
  ]);
  const name = formatReference(image);
  if (first === undefined) {
    throw new CountersignError(
      'MANIFEST_UNKNOWN',
      `expected an image ${name} in the registry or held, found none; push it first`,
    );
  }
  if (others.length === 0) return first;
  const choices = [first, ...others].map((digest) => {
    const where = digest === inRegistry ? ['in the registry'] : [];
    const waiting = holds.filter((hold) => hold.digest === digest);
    const who = waiting.map((hold) => `held, pushed by ${hold.pushedBy} at ${hold.pushedAt}`);
    return `  countersign sign ${name}@${digest}   # ${[...where, ...who].join('; ')}`;
  });
  throw new CountersignError(
    'AMBIGUOUS',
    `${name} means ${choices.length} images; name the one that you mean to sign:\n${choices.join('\n')}`,
  );
}

/** What the registry has under the tag, resolved once. A gate tells its digest even where it does not serve it. */
export async function resolveTag(client: RegistryClient, image: Reference): Promise<Digest | null> {
  try {
    const manifest = await client.manifest(image.path, image.tag ?? 'latest');
    return manifest?.digest ?? null;
  } catch (error) {
    if (codeOf(error) !== 'FORBIDDEN') throw error;
    try {
      const decision = await askDecision(client, image);
      if (decision === null) throw error;
      return decision.digest;
    } catch (denied) {
      // A tag whose first push is held is refused, and is not there.
      if (codeOf(denied) === 'MANIFEST_UNKNOWN') return null;
      throw denied;
    }
  }
}

async function holdsOf(
  client: RegistryClient,
  image: Reference,
): Promise<readonly WaitingHold[] | null> {
  try {
    return await listHolds(client, image);
  } catch (error) {
    const code = codeOf(error);
    if (code !== 'FORBIDDEN' && code !== 'UNAUTHENTICATED') throw error;
    const said = error instanceof Error ? error.message : '';
    throw new CountersignError(
      code,
      `what is held under ${formatReference(image)} could not be listed, so its tag may mean another image than you think: ${said}; name the digest: ${formatReference(image)}@sha256:…`,
      { cause: error },
    );
  }
}

/**
 * The repository as a signer sees it: what the gate does not serve by name because it is not signed
 * yet is read from the hold.
 */
export function signingSink(client: RegistryClient, image: Reference, root: Digest): EvidenceSink {
  const sink = client.evidence(image.path);
  let holds: Promise<readonly WaitingHold[]> | undefined;
  const held = async (digest: Digest): ReturnType<EvidenceSink['manifest']> => {
    holds ??= listHolds(client, { repository: image.repository, digest: root })
      .then((found) => found ?? [])
      // Without the right to list holds nothing is known to be held; the registry's refusal stands.
      .catch(() => []);
    for (const hold of await holds) {
      const manifest = await readHeld(client, hold, digest);
      if (manifest !== null) return manifest;
    }
    return null;
  };
  return {
    blob: async (digest, maxBytes) => sink.blob(digest, maxBytes),
    referrers: async (digest) => sink.referrers(digest),
    putBlob: async (digest, bytes) => sink.putBlob(digest, bytes),
    putManifest: async (reference, bytes, type) => sink.putManifest(reference, bytes, type),
    async manifest(reference) {
      try {
        const found = await sink.manifest(reference);
        if (found !== null || !isDigest(reference)) return found;
      } catch (error) {
        if (codeOf(error) !== 'FORBIDDEN' || !isDigest(reference)) throw error;
        const found = await held(reference);
        if (found === null) throw error;
        return found;
      }
      return held(reference);
    },
  };
}
