import { decodeBase64 } from '../lib/bytes.ts';
import type { Json, JsonObject } from '../lib/json.ts';
import { countValues, isArray, isObject, parseJson } from '../lib/json.ts';
import { LIMITS } from '../lib/limits.ts';
import type { Result } from '../lib/result.ts';
import { ok } from '../lib/result.ts';
import { notaryCanonical } from './canonical.ts';
import { lookalikeIn } from './lookalike.ts';
import type { TufSignature } from './signature.ts';
import { invalid } from './trust-data.ts';

/** A file of metadata: what was signed, and by whom (TUF 4.2.1). */
export interface Envelope {
  /** The file as it came; this is what is stored, served and hashed. */
  readonly bytes: Uint8Array;
  readonly signed: JsonObject;
  /** The canonical form of `signed`, which the signatures are over. */
  readonly message: Uint8Array;
  readonly signatures: readonly TufSignature[];
  /** Values in `signed`, members and elements: reading it again takes as long as they are many. */
  readonly values: number;
}

const MEMBERS = new Set(['keyid', 'method', 'sig']);
const KEY_ID = /^[0-9a-f]{64}$/;

/**
 * Reads `{"signed":{…},"signatures":[{keyid,method,sig}]}` strictly. Notary signs a canonical form of
 * what it parsed, so the message is made anew from the parsed value, unknown members included; that
 * is safe only because one reading is possible: where Go takes the last of two equal keys, this
 * refuses both, and other members of the envelope too. Refuses with JSON_INVALID, TOO_LARGE, TRUST_DATA_INVALID.
 */
export function parseEnvelope(
  bytes: Uint8Array,
  maxBytes: number = LIMITS.trustMetadataBytes,
): Result<Envelope> {
  // Go reads these numbers as integers, which `1.0` and `1e0` are not to it.
  const json = parseJson(bytes, { maxBytes, integersOnly: true });
  if (!json.ok) return json;
  const { value } = json;
  const signed = isObject(value) ? value['signed'] : undefined;
  const list = isObject(value) ? value['signatures'] : undefined;
  if (!isObject(value) || Object.keys(value).length !== 2 || !isObject(signed) || !isArray(list)) {
    return invalid('expected an object with "signed" and "signatures" and nothing else');
  }
  if (list.length > LIMITS.trustSignatures) {
    return invalid(`expected at most ${LIMITS.trustSignatures} signatures, found ${list.length}`);
  }
  const signatures = list.map(signatureOf).filter((signature) => signature !== undefined);
  if (signatures.length !== list.length) {
    return invalid('expected signatures of "keyid", "method" and "sig" (base64)');
  }
  const message = notaryCanonical(signed);
  if (message === undefined) return invalid('expected integers only in signed metadata');
  const values = countValues(signed);
  return ok({ bytes, signed, message: Buffer.from(message), signatures, values });
}

function signatureOf(value: Json): TufSignature | undefined {
  if (!isObject(value) || lookalikeIn(value, MEMBERS) !== undefined) return undefined;
  const { keyid, method, sig } = value;
  const bytes = typeof sig === 'string' ? decodeBase64(sig) : undefined;
  if (typeof keyid !== 'string' || typeof method !== 'string' || bytes === undefined)
    return undefined;
  if (!KEY_ID.test(keyid) || method.length > 32) return undefined;
  return { keyid, method: method.toLowerCase(), sig: bytes };
}
