import { decodeUtf8 } from '../../lib/bytes.ts';
import { LIMITS } from '../../lib/limits.ts';
import type { Result } from '../../lib/result.ts';
import { ok } from '../../lib/result.ts';
import type { Descriptor } from '../../oci/manifest.ts';
import type { MergedArtifact, StoredArtifact } from '../format.ts';
import { keepTrustedFirst } from '../keep-trusted.ts';
import {
  appendLayers,
  firstManifest,
  layerTexts,
  parseSignatureManifest,
  withLayers,
} from './manifest.ts';
import { SIGNATURE_ANNOTATION } from './names.ts';

interface Entry {
  readonly layer: Descriptor;
  /** The descriptor as it was written. */
  readonly text: string;
}

/**
 * The union of what stands under a signature tag and what is pushed over it. Signers read, append and
 * write without a lock, so of two at once the second would silently drop the first's signature, which
 * was answered with 201. Each entry proves itself, so the union trusts nobody: it keeps the stored
 * text and adds the pushed layers that it lacks, every one byte-identical. What is stored but no
 * signature manifest is simply overwritten. More than readers look at are cut, what counts first:
 * who fills a tag with junk keeps nobody from signing.
 */
export async function mergeCosign(
  stored: StoredArtifact | null,
  pushed: StoredArtifact,
  signerOf: (one: StoredArtifact) => Promise<string | null>,
): Promise<Result<MergedArtifact>> {
  const fresh = parseSignatureManifest(pushed.bytes, pushed.mediaType);
  if (!fresh.ok) return fresh;
  const old = stored === null ? null : parseSignatureManifest(stored.bytes, stored.mediaType);
  const standing = old?.ok === true && stored !== null ? entriesOf(stored, old.value.layers) : [];
  const arriving = entriesOf(pushed, fresh.value.layers);
  const kept = new Set(standing.map(identity));
  const added = arriving.filter((entry) => !kept.has(identity(entry)));
  if (standing.length + added.length > LIMITS.signatures) {
    const best = await keepTrustedFirst(
      [...standing, ...added],
      LIMITS.signatures,
      ({ layer }: Entry) =>
        signerOf({ bytes: firstManifest(layer).bytes, mediaType: pushed.mediaType }),
    );
    return ok({ kind: 'union', ...withLayers(pushed.bytes, best) });
  }
  if (old?.ok !== true || stored === null) return ok({ kind: 'pushed' });
  if (added.length === 0) return ok({ kind: 'stored' });
  // Whoever appended to what is stored wrote the union already.
  const arrived = new Set(arriving.map(identity));
  if ([...kept].every((entry) => arrived.has(entry))) return ok({ kind: 'pushed' });
  return ok({ kind: 'union', ...appendLayers(stored.bytes, old.value, added) });
}

/** The entries of a manifest that was parsed before, each once. */
function entriesOf(artifact: StoredArtifact, layers: readonly Descriptor[]): readonly Entry[] {
  const texts = layerTexts(decodeUtf8(artifact.bytes) ?? '');
  const entries = layers.map((layer, at) => ({ layer, text: texts[at] ?? JSON.stringify(layer) }));
  return [...new Map(entries.map((entry) => [identity(entry), entry])).values()];
}

/** What makes an entry that entry: what was signed, and the signature over it. */
function identity({ layer }: Entry): string {
  return `${layer.digest} ${layer.annotations?.[SIGNATURE_ANNOTATION] ?? ''}`;
}
