import { decodeBase64 } from '../../lib/bytes.ts';
import { codeOf, messageOf } from '../../lib/errors.ts';
import { LIMITS } from '../../lib/limits.ts';
import type { Result } from '../../lib/result.ts';
import { ok, refuse } from '../../lib/result.ts';
import type { Digest } from '../../oci/digest.ts';
import { algorithmOf, digestOf, shortDigest } from '../../oci/digest.ts';
import type { Descriptor } from '../../oci/manifest.ts';
import type { EvidenceSource } from '../format.ts';
import { COSIGN_MEDIA, SIGNATURE_ANNOTATION } from './names.ts';

// RSA-16384 gives 2048 bytes; nothing longer is a signature of a key we accept.
const SIGNATURE_CHARS = 4096;

/** One layer of a signature manifest, read but not trusted. */
export interface SignedPayload {
  /** The payload's digest: it names the evidence. */
  readonly digest: Digest;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
}

/** Reading failed without saying anything of the evidence: the caller must not take it as absent. */
export interface Unread {
  readonly unread: string;
}

/**
 * Reads one layer: its type, its bounds, its signature, its payload. A refusal says what is wrong
 * with the layer; `unread` says that the registry could not be asked. Certificates, chains and
 * bundles in the annotations are not looked at: no signature brings its own key (GHSA-fx35-mq7g-6g98).
 */
export async function readLayer(
  layer: Descriptor,
  source: EvidenceSource,
): Promise<Result<SignedPayload> | Unread> {
  const bad = (why: string): Result<never> =>
    refuse('ARTIFACT_INVALID', `signature ${shortDigest(layer.digest)}: ${why}`);
  if (layer.mediaType !== COSIGN_MEDIA.simpleSigning) {
    return bad(
      `expected layer type ${COSIGN_MEDIA.simpleSigning}, found ${quote(layer.mediaType)}`,
    );
  }
  if (layer.size > LIMITS.payloadBytes) {
    return bad(`expected a payload of at most ${LIMITS.payloadBytes} bytes, found ${layer.size}`);
  }
  const encoded = layer.annotations?.[SIGNATURE_ANNOTATION] ?? '';
  const signature = encoded.length > SIGNATURE_CHARS ? undefined : decodeBase64(encoded);
  if (signature === undefined || signature.byteLength === 0) {
    return bad(`expected annotation ${SIGNATURE_ANNOTATION} to be a signature in base64`);
  }
  const payload = await reading(() => source.blob(layer.digest, layer.size));
  if ('unread' in payload) {
    return payload.code === 'TOO_LARGE'
      ? bad('the payload is larger than its descriptor says')
      : payload;
  }
  if (payload.value === null) return bad('the registry does not have the payload');
  // Whatever the source checked: this digest names the evidence in the record, so it is ours to know.
  if (digestOf(payload.value, algorithmOf(layer.digest)) !== layer.digest) {
    return { unread: `the registry answered other bytes for ${shortDigest(layer.digest)}` };
  }
  if (payload.value.byteLength !== layer.size) {
    return bad(`expected ${layer.size} bytes of payload, found ${payload.value.byteLength}`);
  }
  return ok({ digest: layer.digest, payload: payload.value, signature });
}

/** Calls the source; any failure of it is "could not find out", never an answer. */
export async function reading<T>(
  call: () => Promise<T>,
): Promise<{ readonly value: T } | (Unread & { readonly code: string })> {
  try {
    return { value: await call() };
  } catch (error) {
    return { unread: messageOf(error).slice(0, 200), code: codeOf(error) };
  }
}

const quote = (text: string): string => JSON.stringify(text.slice(0, 80));
