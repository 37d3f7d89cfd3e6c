import { LIMITS } from '../../lib/limits.ts';
import type { Result } from '../../lib/result.ts';
import { ok, refuse } from '../../lib/result.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Descriptor, ImageManifest, Manifest } from '../../oci/manifest.ts';
import { MEDIA } from '../../oci/media-types.ts';
import { isBundleType } from '../bundle-type.ts';
import type { ContentCheck } from './content.ts';
import {
  checkBundle,
  checkCose,
  checkCycloneDx,
  checkEnvelope,
  checkJws,
  checkSpdx,
  checkStatement,
} from './content.ts';

/** The digest of `{}`, the content of an empty config (image-spec, "Guidance for an Empty Descriptor"). */
const EMPTY = 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a';

/** The type of Notary Project signatures: of the artifact, or of its config where it was made by notation 1.1 or before. */
const NOTATION = 'application/vnd.cncf.notary.signature';

/** What layers of a known referrer may be, and how each is checked to be that. A map: an object would know `constructor`, too. */
const CONTENT: ReadonlyMap<string, ContentCheck> = new Map([
  ['application/jose+json', checkJws],
  ['application/cose', checkCose],
  ['application/vnd.dsse.envelope.v1+json', checkEnvelope],
  ['application/vnd.in-toto+json', checkStatement],
  ['application/spdx+json', checkSpdx],
  ['application/vnd.cyclonedx+json', checkCycloneDx],
]);
const ENVELOPES: ReadonlySet<string> = new Set(['application/jose+json', 'application/cose']);

/** Layers of one referrer: tools write one; attestations of a build come as a few. */
const LAYERS = 16;

/** A referrer of a known kind, read but not trusted: what it speaks for, and its content with the checks it must pass. */
export interface KnownReferrer {
  readonly subject: Digest;
  readonly layers: readonly { readonly layer: Descriptor; readonly check: ContentCheck }[];
}

const invalid = (why: string): Result<never> => refuse('ARTIFACT_INVALID', why);

/**
 * Reads a manifest that names a subject as one of the kinds that verifiers read through the gate:
 * Sigstore bundles, Notary Project signatures, and attestations and SBOMs as JSON documents. The list
 * is what is allowed, not what is forbidden: anything else (an image config, a tar layer, a chart, a
 * type of tomorrow) may be something that some engine runs, and is judged as an image.
 */
export function readReferrer(manifest: Manifest): Result<KnownReferrer> {
  if (manifest.kind !== 'image' || manifest.mediaType !== MEDIA.ociManifest)
    return invalid(`expected an OCI image manifest, found ${manifest.mediaType}`);
  const { subject, config, layers } = manifest;
  if (subject === undefined) return invalid('expected a subject');
  if (config.digest !== EMPTY || config.size !== 2) return invalid('expected the empty config');
  if (layers.length === 0 || layers.length > LAYERS)
    return invalid(`expected 1 to ${LAYERS} layers, found ${layers.length}`);
  if ([config, subject, ...layers].some((one) => one.urls !== undefined))
    return invalid('expected no urls');
  const large = layers.find((layer) => layer.size > LIMITS.attestationBytes);
  if (large !== undefined)
    return invalid(
      `expected layers of at most ${LIMITS.attestationBytes} bytes, found ${large.size}`,
    );
  const checks = checksFor(manifest);
  if (checks === null) {
    const type = manifest.artifactType ?? config.mediaType;
    return invalid(`${type.slice(0, 100)} is no kind of signature or attestation known here`);
  }
  return ok({ subject: subject.digest, layers: checks });
}

/** The check for each layer; `null` where type, config and layers are not those of one known kind. */
function checksFor(manifest: ImageManifest): KnownReferrer['layers'] | null {
  const { artifactType = '', config, layers } = manifest;
  const [first] = layers;
  if (first === undefined) return null;
  const isEmpty = config.mediaType === MEDIA.ociEmpty;
  // notation-formats 1.1: the new shape, or the legacy one; any other mix is no signature.
  const isNotation = isEmpty
    ? artifactType === NOTATION
    : artifactType === '' && config.mediaType === NOTATION;
  if (isNotation) {
    const check = ENVELOPES.has(first.mediaType) ? CONTENT.get(first.mediaType) : undefined;
    return layers.length === 1 && check !== undefined ? [{ layer: first, check }] : null;
  }
  if (!isEmpty) return null;
  if (isBundleType(artifactType)) {
    const own = layers.length === 1 && isBundleType(first.mediaType);
    return own ? [{ layer: first, check: checkBundle }] : null;
  }
  const checks = layers.map((layer) => ({ layer, check: CONTENT.get(layer.mediaType) }));
  const all = checks.every(
    (one): one is KnownReferrer['layers'][number] =>
      one.check !== undefined && !ENVELOPES.has(one.layer.mediaType),
  );
  return all && CONTENT.has(artifactType) && !ENVELOPES.has(artifactType) ? checks : null;
}
