import { LIMITS } from '../../lib/limits.ts';
import type { Result } from '../../lib/result.ts';
import { ok, refuse } from '../../lib/result.ts';
import { shortDigest } from '../../oci/digest.ts';
import type { Descriptor } from '../../oci/manifest.ts';
import { parseManifest } from '../../oci/manifest.ts';
import { MEDIA } from '../../oci/media-types.ts';
import { isBundleType } from '../bundle-type.ts';
import type { EvidenceSource, Subject } from '../format.ts';
import type { Bundle } from './bundle.ts';
import { parseBundle } from './bundle.ts';
import type { SignedMessage, Unread } from './evidence.ts';
import { isContentOf, otherBytes, readContent, reading } from './evidence.ts';
import { PREDICATE_ANNOTATION, SIGN_PREDICATE } from './names.ts';

/** A bundle's one signature, and the statement that it is over. */
export interface SignedStatement extends SignedMessage {
  readonly statement: Bundle['payload'];
}

/** Of a candidate that holds no signature: another kind of evidence, or nothing any more. */
export type NoSignature = 'attestation' | 'nothing';

/**
 * Reads a candidate's manifest and its bundle. A manifest without a bundle is `nothing`, one that
 * says of itself that it holds an attestation is not read further. A refusal says what is wrong with
 * a bundle; `unread`, that the registry could not be asked.
 */
export async function readCandidate(
  subject: Subject,
  { digest }: Descriptor,
  source: EvidenceSource,
): Promise<Result<SignedStatement> | Unread | NoSignature> {
  const answer = await reading(() => source.manifest(digest));
  if ('unread' in answer) return answer;
  // Lists outlive what they name: whoever deletes a signature leaves its entry.
  if (answer.value === null) return 'nothing';
  if (!isContentOf(answer.value.bytes, digest)) return otherBytes(digest);
  const layer = readManifest(subject, answer.value);
  if (typeof layer === 'string') return layer;
  const named = (why: string): Result<never> =>
    refuse('ARTIFACT_INVALID', `bundle ${shortDigest(digest)}: ${why}`);
  if (!layer.ok) return named(layer.refusal.message);
  const content = await readContent(layer.value, source);
  if ('unread' in content) return content;
  if (!content.ok) return named(content.refusal.message);
  const bundle = parseBundle(content.value);
  if (!bundle.ok) return bundle;
  const { payload, signed, signature } = bundle.value;
  return ok({ digest: layer.value.digest, message: signed, signature, statement: payload });
}

/** The one layer of a bundle's manifest, its size bounded. */
function readManifest(
  subject: Subject,
  stored: { readonly bytes: Uint8Array; readonly mediaType: string },
): Result<Descriptor> | NoSignature {
  const manifest = parseManifest(stored.bytes, stored.mediaType);
  if (!manifest.ok) return manifest;
  const { kind, mediaType, artifactType = '', annotations } = manifest.value;
  if (kind !== 'image' || mediaType !== MEDIA.ociManifest) return 'nothing';
  const { layers } = manifest.value;
  const [layer] = layers;
  const isBundle = layer !== undefined && isBundleType(layer.mediaType);
  if (!isBundle && !isBundleType(artifactType)) return 'nothing';
  const invalid = (why: string): Result<never> => refuse('ARTIFACT_INVALID', why);
  const about = manifest.value.subject?.digest;
  if (about !== subject.digest) {
    const found = about === undefined ? 'none' : `${shortDigest(about)}, another image`;
    return invalid(`expected this image as its subject, found ${found}`);
  }
  // Only a hint, which nobody signed: it can hide what its author could have left out altogether.
  const predicate = annotations?.[PREDICATE_ANNOTATION];
  if (predicate !== undefined && predicate !== SIGN_PREDICATE) return 'attestation';
  if (!isBundle || layers.length !== 1)
    return invalid(`expected one layer that is a bundle, found ${layers.length} layers`);
  if (layer.size > LIMITS.bundleBytes)
    return invalid(`expected at most ${LIMITS.bundleBytes} bytes, found ${layer.size}`);
  return ok(layer);
}
