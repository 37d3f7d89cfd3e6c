import { decodeBase64 } from '../../lib/bytes.ts';
import type { Json, JsonObject } from '../../lib/json.ts';
import { isArray, isObject, parseJson } from '../../lib/json.ts';
import { LIMITS } from '../../lib/limits.ts';
import type { Result } from '../../lib/result.ts';
import { ok, refuse } from '../../lib/result.ts';
import { isBundleType } from '../bundle-type.ts';
import { strictMembers } from '../strict-members.ts';

const IN_TOTO = 'application/vnd.in-toto+json';
// As in evidence.ts: nothing longer is a signature of a key we accept.
const SIGNATURE_CHARS = 4096;
// The log's proofs nest deepest: bundle, material, entries, entry, proof, hashes.
const DEPTH = 10;

/** A bundle read, nothing of it trusted. */
export interface Bundle {
  /** The statement's bytes, decoded. */
  readonly payload: Uint8Array;
  /** What was signed: the DSSE pre-authentication encoding of the payload. */
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
}

/**
 * Reads a Sigstore bundle with a DSSE envelope and one signature by a key (sigstore protobuf-specs
 * "Bundle" 0.1 to 0.3, in the JSON that cosign writes). Members by other names than those, duplicates,
 * trailing bytes, base64 in another spelling, more than one signature: refused with ARTIFACT_INVALID.
 * Hints, log entries and timestamps are passed over: no signature brings its own key or clock
 * (GHSA-fx35-mq7g-6g98). One with a certificate is refused: no key of a policy vouches for it.
 */
export function parseBundle(bytes: Uint8Array): Result<Bundle> {
  const parsed = parseJson(bytes, { maxBytes: LIMITS.bundleBytes, maxDepth: DEPTH });
  if (!parsed.ok) return invalid(parsed.refusal.message);
  const content = ['dsseEnvelope', 'messageSignature'];
  const root = members(parsed.value, ['mediaType', 'verificationMaterial'], 'bundle', content);
  if (!root.ok) return root;
  const { mediaType, verificationMaterial, dsseEnvelope, messageSignature } = root.value;
  if (typeof mediaType !== 'string' || !isBundleType(mediaType))
    return invalid(`expected a mediaType of version 0.1 to 0.3, found ${quote(mediaType)}`);
  const material = readMaterial(verificationMaterial);
  if (!material.ok) return material;
  // sigstore-go takes a messageSignature for blobs only; cosign never verifies an image by one.
  if (messageSignature !== undefined || dsseEnvelope === undefined)
    return invalid('expected a dsseEnvelope, found a messageSignature or nothing');
  return readEnvelope(dsseEnvelope);
}

function readMaterial(value: Json | undefined): Result<null> {
  const keyless = ['certificate', 'x509CertificateChain'];
  const beside = ['tlogEntries', 'timestampVerificationData'];
  const name = 'verificationMaterial';
  const material = members(value, [], name, ['publicKey', ...keyless, ...beside]);
  if (!material.ok) return material;
  if (keyless.some((member) => Object.hasOwn(material.value, member)))
    return invalid('keyless signatures are not asked for here');
  return isObject(material.value['publicKey'])
    ? ok(null)
    : invalid(`expected "publicKey" in "${name}" to be an object`);
}

// DSSE protocol, "Envelope".
function readEnvelope(value: Json): Result<Bundle> {
  const envelope = members(value, ['payload', 'payloadType', 'signatures'], 'dsseEnvelope');
  if (!envelope.ok) return envelope;
  const { payload, payloadType, signatures } = envelope.value;
  if (payloadType !== IN_TOTO)
    return invalid(`expected payloadType ${IN_TOTO}, found ${quote(payloadType)}`);
  const statement = typeof payload === 'string' ? decodeBase64(payload) : undefined;
  if (statement === undefined) return invalid('expected "payload" in base64');
  if (!isArray(signatures) || signatures.length !== 1)
    return invalid('expected exactly one signature in "signatures"');
  const one = members(signatures[0], ['sig'], 'signatures[0]', ['keyid']);
  if (!one.ok) return one;
  const { sig } = one.value;
  const signature =
    typeof sig === 'string' && sig.length <= SIGNATURE_CHARS ? decodeBase64(sig) : undefined;
  if (signature === undefined || signature.byteLength === 0)
    return invalid('expected "sig" to be a signature in base64');
  return ok({ payload: statement, signed: preAuthentication(IN_TOTO, statement), signature });
}

/**
 * DSSE's pre-authentication encoding (DSSE protocol, "Signature Definition"):
 * `DSSEv1 LEN(type) type LEN(payload) payload`, lengths in bytes.
 */
export function preAuthentication(type: string, payload: Uint8Array): Uint8Array {
  const head = `DSSEv1 ${Buffer.byteLength(type)} ${type} ${payload.byteLength} `;
  return Buffer.concat([Buffer.from(head), payload]);
}

const members = (
  value: Json | undefined,
  needed: readonly string[],
  name: string,
  optional: readonly string[] = [],
): Result<JsonObject> => strictMembers(value, { needed, optional }, 'bundle', name);
const invalid = (why: string): Result<never> => refuse('ARTIFACT_INVALID', `bundle: ${why}`);
const quote = (value: Json | undefined): string => JSON.stringify(value ?? null).slice(0, 80);
