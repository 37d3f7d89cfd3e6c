import { decodeBase64 } from '../../lib/bytes.ts';
import type { Json, JsonObject } from '../../lib/json.ts';
import { isArray, isObject, parseJson } from '../../lib/json.ts';
import { LIMITS } from '../../lib/limits.ts';
import type { Result } from '../../lib/result.ts';
import { ok, refuse } from '../../lib/result.ts';
import type { Digest } from '../../oci/digest.ts';
import { algorithmOf, hexOf, shortDigest } from '../../oci/digest.ts';
import { readCosePayload } from './cose.ts';

/**
 * Checks that bytes are what their media type claims, for the subject, where the content names one.
 * Refuses with ARTIFACT_INVALID. No signature is verified: that is the verifiers' work, who read it.
 */
export type ContentCheck = (bytes: Uint8Array, subject: Digest) => Result<null>;

const IN_TOTO = 'application/vnd.in-toto+json';
const invalid = (why: string): Result<never> => refuse('ARTIFACT_INVALID', why);

function document(bytes: Uint8Array, what: string): Result<JsonObject> {
  const parsed = parseJson(bytes, { maxBytes: LIMITS.attestationBytes, maxDepth: 64 });
  if (!parsed.ok) return invalid(`expected ${what}: ${parsed.refusal.message}`);
  return isObject(parsed.value) ? ok(parsed.value) : invalid(`expected ${what}, found no object`);
}

/** A Sigstore bundle (sigstore protobuf-specs, "Bundle") whose content speaks for the subject. */
export const checkBundle: ContentCheck = (bytes, subject) => {
  const bundle = document(bytes, 'a Sigstore bundle');
  if (!bundle.ok) return bundle;
  const { mediaType, verificationMaterial, dsseEnvelope, messageSignature } = bundle.value;
  if (typeof mediaType !== 'string' || !isObject(verificationMaterial))
    return invalid('expected a Sigstore bundle with mediaType and verificationMaterial');
  if (isObject(dsseEnvelope) && messageSignature === undefined)
    return envelopeFor(dsseEnvelope, subject);
  const digest = isObject(messageSignature) ? messageSignature['messageDigest'] : undefined;
  if (!isObject(digest) || dsseEnvelope !== undefined)
    return invalid('expected a Sigstore bundle with either a dsseEnvelope or a messageSignature');
  const { algorithm, digest: value } = digest;
  const hex = typeof value === 'string' ? decodeBase64(value)?.toString('hex') : undefined;
  return algorithm === 'SHA2_256' && algorithmOf(subject) === 'sha256' && hex === hexOf(subject)
    ? ok(null)
    : invalid(`expected a bundle for ${shortDigest(subject)}`);
};

/** A DSSE envelope with an in-toto statement about the subject. */
export const checkEnvelope: ContentCheck = (bytes, subject) => {
  const envelope = document(bytes, 'a DSSE envelope');
  return envelope.ok ? envelopeFor(envelope.value, subject) : envelope;
};

// DSSE protocol, "Envelope": payloadType, payload, signatures.
function envelopeFor(envelope: JsonObject, subject: Digest): Result<null> {
  const { payloadType, payload, signatures } = envelope;
  if (payloadType !== IN_TOTO || typeof payload !== 'string' || !isArray(signatures))
    return invalid('expected a DSSE envelope with an in-toto statement');
  const bytes = decodeBase64(payload);
  return bytes === undefined
    ? invalid('expected a DSSE payload in base64')
    : checkStatement(bytes, subject);
}

/** An in-toto statement about the subject (attestation spec, "Statement"). */
export const checkStatement: ContentCheck = (bytes, subject) => {
  const statement = document(bytes, 'an in-toto statement');
  if (!statement.ok) return statement;
  const { _type: type, subject: subjects } = statement.value;
  if (typeof type !== 'string' || !/^https:\/\/in-toto\.io\/Statement\/v[0-9.]+$/.test(type))
    return invalid('expected an in-toto statement');
  const algorithm = algorithmOf(subject);
  const named =
    isArray(subjects) &&
    subjects.some((one) => {
      const digest = isObject(one) ? one['digest'] : undefined;
      return isObject(digest) && digest[algorithm] === hexOf(subject);
    });
  return named ? ok(null) : invalid(`expected a statement about ${shortDigest(subject)}`);
};

/** A Notary Project signature as flattened JWS JSON, for the subject. */
export const checkJws: ContentCheck = (bytes, subject) => {
  const jws = document(bytes, 'a JWS envelope');
  if (!jws.ok) return jws;
  const { payload, protected: signed, header, signature } = jws.value;
  const target = decodeBase64Url(payload);
  if (target === null || [signed, signature].some((one) => decodeBase64Url(one) === null))
    return invalid('expected a flattened JWS in JSON');
  return isObject(header) ? targetFor(target, subject) : invalid('expected a JWS with a header');
};

// Node's own decoder passes over what is no base64url.
function decodeBase64Url(value: Json | undefined): Uint8Array | null {
  return typeof value === 'string' && /^[\w-]+$/.test(value)
    ? Buffer.from(value, 'base64url')
    : null;
}

/** A Notary Project signature as COSE_Sign1, for the subject. */
export const checkCose: ContentCheck = (bytes, subject) => {
  const payload = readCosePayload(bytes);
  return payload === null ? invalid('expected a COSE_Sign1 envelope') : targetFor(payload, subject);
};

// Notary Project signature specification, "Payload".
function targetFor(payload: Uint8Array, subject: Digest): Result<null> {
  const parsed = document(payload, 'a Notary Project payload');
  if (!parsed.ok) return parsed;
  const target = parsed.value['targetArtifact'];
  return isObject(target) && target['digest'] === subject
    ? ok(null)
    : invalid(`expected a signature for ${shortDigest(subject)}`);
}

/** An SPDX document in JSON (SPDX 2.3 and 3.0). */
export const checkSpdx: ContentCheck = (bytes) => {
  const sbom = document(bytes, 'an SPDX document');
  if (!sbom.ok) return sbom;
  const is2 = typeof sbom.value['spdxVersion'] === 'string';
  const is3 = sbom.value['@context'] !== undefined && isArray(sbom.value['@graph']);
  return is2 || is3 ? ok(null) : invalid('expected an SPDX document');
};

/** A CycloneDX document in JSON. */
export const checkCycloneDx: ContentCheck = (bytes) => {
  const sbom = document(bytes, 'a CycloneDX document');
  if (!sbom.ok) return sbom;
  return sbom.value['bomFormat'] === 'CycloneDX'
    ? ok(null)
    : invalid('expected a CycloneDX document');
};
