import { decodeUtf8 } from '../../lib/bytes.ts';
import { LIMITS } from '../../lib/limits.ts';
import type { Result } from '../../lib/result.ts';
import { ok, refuse } from '../../lib/result.ts';
import type { Descriptor } from '../../oci/manifest.ts';
import type { MergedArtifact, StoredArtifact } from '../format.ts';
import { appendLayers, layerTexts, parseSignatureManifest } from './manifest.ts';
import { SIGNATURE_ANNOTATION } from './names.ts';

/**
 * The union of what stands under a signature tag and what is pushed over it. Signers read, append and
 * write without a lock, so of two at once the second would silently drop the first's signature, which
 * was answered with 201. Each entry proves itself, so the union trusts nobody: it keeps the stored
 * text and adds the pushed layers that it lacks, every one byte-identical. What is stored but no
 * signature manifest is simply overwritten. Refuses with ARTIFACT_INVALID what would become more
 * signatures than readers look at.
 */
export function mergeCosign(
  stored: StoredArtifact,
  pushed: StoredArtifact,
): Result<MergedArtifact> {
  const old = parseSignatureManifest(stored.bytes, stored.mediaType);
  if (!old.ok) return ok({ kind: 'pushed' });
  const fresh = parseSignatureManifest(pushed.bytes, pushed.mediaType);
  if (!fresh.ok) return fresh;
  const kept = new Set(old.value.layers.map(identity));
  const texts = layerTexts(decodeUtf8(pushed.bytes) ?? '');
  const added = fresh.value.layers.flatMap((layer, at) =>
    kept.has(identity(layer)) ? [] : [{ layer, text: texts[at] ?? JSON.stringify(layer) }],
  );
  if (added.length === 0) return ok({ kind: 'stored' });
  const arriving = new Set(fresh.value.layers.map(identity));
  // Whoever appended to what is stored wrote the union already.
  if ([...kept].every((entry) => arriving.has(entry))) return ok({ kind: 'pushed' });
  const total = old.value.layers.length + added.length;
  if (total > LIMITS.signatures) {
    return refuse(
      'ARTIFACT_INVALID',
      `expected at most ${LIMITS.signatures} signatures under one tag, this push would make ${total}; delete what does not count first`,
    );
  }
  return ok({ kind: 'union', ...appendLayers(stored.bytes, old.value, added) });
}

/** What makes an entry that entry: what was signed, and the signature over it. */
function identity(layer: Descriptor): string {
  return `${layer.digest} ${layer.annotations?.[SIGNATURE_ANNOTATION] ?? ''}`;
}
