import { decodeBase64 } from '../../lib/bytes.ts';
import { isArray, isObject, parseJson } from '../../lib/json.ts';
import { LIMITS } from '../../lib/limits.ts';
import type { Result } from '../../lib/result.ts';
import { ok, refuse } from '../../lib/result.ts';
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
  // One after the other: what is checked here was sent by a stranger and may be large.
  for (const layer of shape.value.layers) {
    const checked = await checkLayer(layer, named.kind, named.digest, source);
    if (!checked.ok) return checked;
  }
  return ok(null);
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
  if (config.mediaType !== MEDIA.ociConfig || config.size > LIMITS.payloadBytes) {
    return invalid(
      `expected a config of type ${MEDIA.ociConfig} and at most ${LIMITS.payloadBytes} bytes, found ${config.mediaType.slice(0, 100)} of ${config.size}`,
    );
  }
  if (manifest.subject !== undefined && manifest.subject.digest !== subject) {
    return invalid(`expected no subject but ${shortDigest(subject)}`);
  }
  if (layers.length === 0 || layers.length > LIMITS.signatures) {
    return invalid(`expected 1 to ${LIMITS.signatures} layers, found ${layers.length}`);
  }
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
  if (isTar(bytes)) return invalid(`layer ${name} is also a tar archive`);
  if (kind === 'att') return checkEnvelope(bytes, name);
  const signature = decodeBase64(layer.annotations?.[SIGNATURE_ANNOTATION] ?? '');
  if (signature === undefined || signature.byteLength === 0) {
    return invalid(`expected annotation ${SIGNATURE_ANNOTATION} on layer ${name}`);
  }
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
  const parsed = parseJson(bytes, { maxBytes: LIMITS.attestationBytes, maxDepth: 8 });
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

/**
 * True where the bytes begin with a tar header (POSIX.1-2024 pax, "ustar Interchange Format": the
 * checksum at 148 is the sum of the 512 bytes, its own taken as spaces). A JSON string can hold one,
 * and old engines unpack whatever they find, whatever its media type.
 */
function isTar(bytes: Uint8Array): boolean {
  if (bytes.byteLength < 512) return false;
  const field = Buffer.from(bytes.subarray(148, 156)).toString('latin1');
  const written = /^[ \0]*([0-7]+)/.exec(field)?.[1];
  if (written === undefined) return false;
  let unsigned = 0;
  let signed = 0;
  for (let at = 0; at < 512; at++) {
    const byte = at >= 148 && at < 156 ? 0x20 : (bytes[at] ?? 0);
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  const sum = Number.parseInt(written, 8);
  return sum === unsigned || sum === signed;
}
