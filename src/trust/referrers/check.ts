import { LIMITS } from '../../lib/limits.ts';
import type { Result } from '../../lib/result.ts';
import { ok, refuse } from '../../lib/result.ts';
import { beginsWithTar } from '../../lib/tar-header.ts';
import type { Digest } from '../../oci/digest.ts';
import { shortDigest } from '../../oci/digest.ts';
import type { Manifest } from '../../oci/manifest.ts';
import type { EvidenceSource } from '../format.ts';
import { readReferrer } from './shape.ts';

/**
 * Checks that a manifest is a signature, attestation or SBOM for the subject that it names, and
 * nothing that a container engine could run: such a manifest is read through the gate unsigned.
 * Returns the subject. Refuses with ARTIFACT_INVALID; throws what `source` throws.
 */
export async function checkReferrer(
  manifest: Manifest,
  source: EvidenceSource,
): Promise<Result<Digest>> {
  const known = readReferrer(manifest);
  if (!known.ok) return known;
  const { subject, layers } = known.value;
  const invalid = (why: string): Result<never> => refuse('ARTIFACT_INVALID', why);
  // One after the other: what is checked here was sent by a stranger and may be large.
  for (const { layer, check } of layers) {
    const name = shortDigest(layer.digest);
    const bytes = await source.blob(layer.digest, LIMITS.attestationBytes);
    if (bytes === null) return invalid(`the registry does not have layer ${name}`);
    if (bytes.byteLength !== layer.size)
      return invalid(`expected ${layer.size} bytes in layer ${name}, found ${bytes.byteLength}`);
    if (beginsWithTar(bytes)) return invalid(`layer ${name} is also a tar archive`);
    const checked = check(bytes, subject);
    if (!checked.ok) return checked;
  }
  return ok(subject);
}
