import { CountersignError } from '../../lib/errors.ts';
import { LIMITS } from '../../lib/limits.ts';
import { mapParallel } from '../../lib/parallel.ts';
import type { Digest } from '../../oci/digest.ts';
import { shortDigest } from '../../oci/digest.ts';
import { parseManifest } from '../../oci/manifest.ts';
import { kindOf } from '../../oci/media-types.ts';
import type { Gate } from '../gate.ts';
import type { ManifestAnswer, Relayed } from '../upstream/upstream.ts';
import type { Question } from '../verdict/evaluate.ts';

/** Nested indexes that are fetched at a time, and for one image at most: whoever may push can nest very many. */
const WIDTH = 4;
const NESTED = 100;

/**
 * Reads an image's manifest and, of an index, the indexes below it, so that the gate knows durably
 * what contains what. Returns how many manifests were found in it (0 for an image), or upstream's own
 * refusal. What is below {@link LIMITS.indexDepth} admits nothing and is not looked at, nor is what
 * comes after {@link NESTED} indexes; of a nested index that is missing or malformed nothing is
 * learned. Throws MANIFEST_UNKNOWN where the root is gone, MANIFEST_INVALID or MANIFEST_TOO_LARGE where
 * it is no manifest that the gate serves, and what the fetcher throws.
 */
export async function learnContent(
  gate: Gate,
  asked: Omit<Question, 'action' | 'tag'>,
): Promise<number | Relayed> {
  const root = asked.digest;
  const contained = new Set<Digest>();
  const seen = new Set<Digest>([root]);
  let level: readonly Digest[] = [root];
  for (let depth = 0; depth < LIMITS.indexDepth && level.length > 0; depth++) {
    const below: Digest[] = [];
    const relayed: Relayed[] = [];
    await mapParallel(level, WIDTH, async (digest) => {
      const answer = await fetched(gate, asked, digest);
      if (answer.kind === 'relay') relayed.push(answer);
      for (const child of childrenIn(answer)) {
        contained.add(child.digest);
        if (!child.index || seen.has(child.digest) || seen.size > NESTED) continue;
        seen.add(child.digest);
        below.push(child.digest);
      }
    });
    if (relayed[0] !== undefined) return relayed[0];
    level = below;
  }
  return contained.size;
}

async function fetched(
  gate: Gate,
  { registry, repository, digest: root, caller }: Omit<Question, 'action' | 'tag'>,
  digest: Digest,
): Promise<ManifestAnswer> {
  try {
    const answer = await gate.fetcher.fetch(registry, repository, digest, caller);
    if (answer.kind !== 'absent' || digest !== root) return answer;
  } catch (error) {
    if (digest === root || !isMalformed(error)) throw error;
    return { kind: 'absent' };
  }
  throw new CountersignError(
    'MANIFEST_UNKNOWN',
    `the registry has no manifest ${shortDigest(digest)}`,
  );
}

function childrenIn(
  answer: ManifestAnswer,
): readonly { readonly digest: Digest; readonly index: boolean }[] {
  if (answer.kind !== 'found') return [];
  const parsed = parseManifest(answer.bytes, answer.mediaType);
  if (!parsed.ok || parsed.value.kind !== 'index') return [];
  return parsed.value.manifests.map(({ digest, mediaType }) => ({
    digest,
    index: kindOf(mediaType) === 'index',
  }));
}

/** True for a manifest that the gate would not serve, as it is none that every client reads alike. */
export function isMalformed(error: unknown): error is CountersignError {
  return (
    error instanceof CountersignError &&
    (error.code === 'MANIFEST_INVALID' || error.code === 'MANIFEST_TOO_LARGE')
  );
}
