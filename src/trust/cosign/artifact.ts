import { decodeBase64 } from '../../lib/bytes.ts';
import { isArray, isObject, parseJson } from '../../lib/json.ts';
import { LIMITS } from '../../lib/limits.ts';
import { mapParallel } from '../../lib/parallel.ts';
import type { Result } from '../../lib/result.ts';
import { ok, refuse } from '../../lib/result.ts';
import { beginsWithTar } from '../../lib/tar-header.ts';
import type { Digest } from '../../oci/digest.ts';
import { shortDigest } from '../../oci/digest.ts';
import type { Descriptor, ImageManifest, Manifest } from '../../oci/manifest.ts';
import { MEDIA } from '../../oci/media-types.ts';
import type { EvidenceSource } from '../format.ts';
import { COSIGN_MEDIA, parseArtifactTag, SIGNATURE_ANNOTATION } from './names.ts';
import type { ArtifactKind } from './names.ts';
import { parsePayload } from './payload.ts';

const LAYER_TYPE: Readonly<Record<ArtifactKind, string>> = {
  sig: COSIGN_MEDIA.simpleSigning,
  att: COSIGN_MEDIA.dsse,
};
const LAYER_BYTES: Readonly<Record<ArtifactKind, number>> = {
  sig: LIMITS.payloadBytes,
  att: LIMITS.attestationBytes,
};

// cosign's config names every layer twice: enough for as many as a manifest may have.
const CONFIG_BYTES = 256 * 1024;
// Fetched at a time, and all together, when an artifact is checked.
const WIDTH = 4;
const TOTAL_BYTES = 64 * 1024 * 1024;

const invalid = (why: string): Result<never> => refuse('ARTIFACT_INVALID', why);

/** The digest whose signatures or attestations a tag holds, or `null` for any other tag. */
export function subjectOfTag(tag: string): Digest | null {
  return parseArtifactTag(tag)?.digest ?? null;
}

/**
 * Checks that what stands under an artifact tag is signatures (`.sig`) or attestations (`.att`) and
 * nothing that a container engine could run: such a tag passes the gate unsigned, so an image must
 * not pass under its name. Refuses with ARTIFACT_INVALID; throws what `source` throws.
 */
export async function checkArtifact(
  tag: string,
  manifest: Manifest,
  source: EvidenceSource,
): Promise<Result<null>> {
  const named = parseArtifactTag(tag);
  if (named === null) return invalid('expected a tag of the form sha256-<hex>.sig or .att');
  const shape = checkShape(manifest, named.kind, named.digest);
  if (!shape.ok) return shape;
  // Many signatures share one payload: what a stranger sent is fetched once, and few at a time.
  const distinct = new Map(shape.value.layers.map((layer) => [layer.digest, layer]));
  // Who lists a foreign payload again with another size would make readers refuse the signature.
  const unequal = shape.value.layers.find((one) => one.size !== distinct.get(one.digest)?.size);
  if (unequal !== undefined)
    return invalid(`expected one size of layer ${shortDigest(unequal.digest)}, found two`);
  const bytes = [...distinct.values()].reduce((sum, layer) => sum + layer.size, 0);
  if (bytes > TOTAL_BYTES)
    return invalid(`expected layers of at most ${TOTAL_BYTES} bytes together, found ${bytes}`);
  const checks = await mapParallel([...distinct.values()], WIDTH, (layer) =>
    checkLayer(layer, named.kind, named.digest, source),
  );
  const failed =
    checks.find((check) => !check.ok) ??
    shape.value.layers.map(entryCheck(named.kind)).find((check) => !check.ok);
  return failed ?? checkConfig(shape.value.config, source);
}

function checkShape(
  manifest: Manifest,
  kind: ArtifactKind,
  subject: Digest,
): Result<ImageManifest> {
  if (manifest.kind !== 'image' || manifest.mediaType !== MEDIA.ociManifest) {
    return invalid(`expected an OCI image manifest, found ${manifest.mediaType}`);
  }
  const { config, layers } = manifest;
  if (config.mediaType !== MEDIA.ociConfig || config.size > CONFIG_BYTES) {
    return invalid(
      `expected a config of type ${MEDIA.ociConfig} and at most ${CONFIG_BYTES} bytes, found ${config.mediaType.slice(0, 100)} of ${config.size}`,
    );
  }
  if (manifest.subject !== undefined && manifest.subject.digest !== subject) {
    return invalid(`expected no subject but ${shortDigest(subject)}`);
  }
  // As many as a manifest may have: what is more than readers look at is cut when it is merged.
  if (layers.length === 0) return invalid('expected at least one layer, found none');
  const wrong = layers.find((layer) => layer.mediaType !== LAYER_TYPE[kind]);
  if (wrong !== undefined) {
    return invalid(
      `expected layers of type ${LAYER_TYPE[kind]}, found ${wrong.mediaType.slice(0, 100)}`,
    );
  }
  const large = layers.find((layer) => layer.size > LAYER_BYTES[kind]);
  if (large !== undefined) {
    return invalid(`expected layers of at most ${LAYER_BYTES[kind]} bytes, found ${large.size}`);
  }
  // Readers that take content from elsewhere would not get what was checked.
  if (layers.some((layer) => layer.urls !== undefined))
    return invalid('expected no layer with urls');
  return ok(manifest);
}

/**
 * The config of a signature says nothing about running (cosign writes an empty one): newer engines
 * unpack whatever layers there are to an empty file system, and would then start what it names.
 */
async function checkConfig(config: Descriptor, source: EvidenceSource): Promise<Result<null>> {
  const bytes = await source.blob(config.digest, CONFIG_BYTES);
  if (bytes === null) return invalid('the registry does not have the config');
  const parsed = parseJson(bytes, { maxBytes: CONFIG_BYTES, maxDepth: 8 });
  if (!parsed.ok || !isObject(parsed.value)) return invalid('expected a config that is an object');
  for (const [name, value] of Object.entries(parsed.value)) {
    // Go takes a member for another that differs in case only.
    if (name.toUpperCase().toLowerCase() !== 'config') continue;
    const empty = value === null || (isObject(value) && Object.keys(value).length === 0);
    if (!empty) return invalid('expected a config that names nothing to run');
  }
  return ok(null);
}

/** What each entry must say by itself, whoever else shares its payload: its signature. */
function entryCheck(kind: ArtifactKind): (layer: Descriptor) => Result<null> {
  return (layer) => {
    if (kind === 'att') return ok(null);
    const signature = decodeBase64(layer.annotations?.[SIGNATURE_ANNOTATION] ?? '');
    return signature === undefined || signature.byteLength === 0
      ? invalid(`expected annotation ${SIGNATURE_ANNOTATION} on layer ${shortDigest(layer.digest)}`)
      : ok(null);
  };
}

async function checkLayer(
  layer: Descriptor,
  kind: ArtifactKind,
  subject: Digest,
  source: EvidenceSource,
): Promise<Result<null>> {
  const name = shortDigest(layer.digest);
  const bytes = await source.blob(layer.digest, LAYER_BYTES[kind]);
  if (bytes === null) return invalid(`the registry does not have layer ${name}`);
  if (bytes.byteLength !== layer.size) {
    return invalid(`expected ${layer.size} bytes in layer ${name}, found ${bytes.byteLength}`);
  }
  if (beginsWithTar(bytes)) return invalid(`layer ${name} is also a tar archive`);
  if (kind === 'att') return checkEnvelope(bytes, name);
  const payload = parsePayload(bytes);
  if (!payload.ok) return payload;
  if (payload.value.digest !== subject) {
    return invalid(
      `expected signatures for ${shortDigest(subject)}, found one for ${shortDigest(payload.value.digest)}`,
    );
  }
  return ok(null);
}

// DSSE protocol, "Envelope": payloadType, payload, signatures.
function checkEnvelope(bytes: Uint8Array, name: string): Result<null> {
  const bounds = { maxBytes: LIMITS.attestationBytes, maxDepth: 8, maxValues: 1000 };
  const parsed = parseJson(bytes, bounds);
  if (!parsed.ok) return invalid(`layer ${name}: ${parsed.refusal.message}`);
  const envelope = parsed.value;
  if (
    !isObject(envelope) ||
    typeof envelope['payloadType'] !== 'string' ||
    typeof envelope['payload'] !== 'string' ||
    !isArray(envelope['signatures'])
  ) {
    return invalid(`expected layer ${name} to be a DSSE envelope`);
  }
  return ok(null);
}
