import { CountersignError } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import { mapParallel } from '../lib/parallel.ts';
import type { Digest } from '../oci/digest.ts';
import { shortDigest } from '../oci/digest.ts';
import { parseManifest } from '../oci/manifest.ts';
import { kindOf } from '../oci/media-types.ts';
import type { Question } from './evaluate.ts';
import type { Gate } from './gate.ts';
import type { Relayed } from './upstream.ts';

/** Nested indexes fetched at a time. */
const WIDTH = 4;

/**
 * Reads an image's manifest and, of an index, every index below it, so that the gate knows durably
 * what contains what. Returns how many manifests it contains (0 for an image), or upstream's own
 * refusal. What is below {@link LIMITS.indexDepth} admits nothing and is not looked at; of a nested
 * index that is missing or malformed nothing is learned. Throws MANIFEST_UNKNOWN where the root is
 * gone, MANIFEST_INVALID where it is no manifest that the gate serves or contains more than
 * {@link LIMITS.descriptors}, and what the fetcher throws.
 */
export async function learnContent(
  gate: Gate,
  { registry, repository, digest: root, caller }: Omit<Question, 'action' | 'tag'>,
): Promise<number | Relayed> {
  const contained = new Set<Digest>();
  const fetched = new Set<Digest>([root]);
  let level: readonly Digest[] = [root];
  for (let depth = 0; depth < LIMITS.indexDepth && level.length > 0; depth++) {
    const answers = await mapParallel(level, WIDTH, async (digest) => {
      try {
        return await gate.fetcher.fetch(registry, repository, digest, caller);
      } catch (error) {
        if (digest === root || !isMalformed(error)) throw error;
        return { kind: 'absent' } as const;
      }
    });
    const below = new Set<Digest>();
    for (const answer of answers) {
      if (answer.kind === 'relay') return answer;
      if (answer.kind === 'absent') {
        if (depth === 0) throw gone(root);
        continue;
      }
      const parsed = parseManifest(answer.bytes, answer.mediaType);
      if (!parsed.ok || parsed.value.kind !== 'index') continue;
      for (const child of parsed.value.manifests) {
        contained.add(child.digest);
        if (kindOf(child.mediaType) === 'index' && !fetched.has(child.digest))
          below.add(child.digest);
      }
    }
    if (contained.size > LIMITS.descriptors) throw tooMany(root);
    for (const digest of below) fetched.add(digest);
    level = [...below];
  }
  return contained.size;
}

/** True for a manifest that the gate would not serve, as it is none that every client reads alike. */
export function isMalformed(error: unknown): error is CountersignError {
  return (
    error instanceof CountersignError &&
    (error.code === 'MANIFEST_INVALID' || error.code === 'MANIFEST_TOO_LARGE')
  );
}

function gone(digest: Digest): CountersignError {
  return new CountersignError(
    'MANIFEST_UNKNOWN',
    `the registry has no manifest ${shortDigest(digest)}`,
  );
}

function tooMany(digest: Digest): CountersignError {
  return new CountersignError(
    'MANIFEST_INVALID',
    `expected at most ${LIMITS.descriptors} manifests in ${shortDigest(digest)}, found more`,
  );
}
