import { decodeBase64 } from '../../lib/bytes.ts';
import { codeOf, messageOf } from '../../lib/errors.ts';
import { LIMITS } from '../../lib/limits.ts';
import { quote } from '../../lib/quote.ts';
import type { Result } from '../../lib/result.ts';
import { ok, refuse } from '../../lib/result.ts';
import type { Digest } from '../../oci/digest.ts';
import { algorithmOf, digestOf, shortDigest } from '../../oci/digest.ts';
import type { Descriptor } from '../../oci/manifest.ts';
import type { EvidenceSource } from '../format.ts';
import { COSIGN_MEDIA, SIGNATURE_ANNOTATION } from './names.ts';

// RSA-16384 gives 2048 bytes; nothing longer is a signature of a key we accept.
const SIGNATURE_CHARS = 4096;

/** One signature with what it is over, read but not trusted. */
export interface SignedMessage {
  /** The digest of the blob that it was found in: it names the evidence. */
  readonly digest: Digest;
  /** The very bytes that were signed. */
  readonly message: Uint8Array;
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
): Promise<Result<SignedMessage> | Unread> {
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
  const payload = await readContent(layer, source);
  if ('unread' in payload) return payload;
  return payload.ok
    ? ok({ digest: layer.digest, message: payload.value, signature })
    : bad(payload.refusal.message);
}

/**
 * Reads the bytes of a descriptor whose size the caller has bounded. A refusal says what is wrong
 * with them; `unread` says that the registry could not be asked, or did not tell the truth.
 */
export async function readContent(
  { digest, size }: Descriptor,
  source: EvidenceSource,
): Promise<Result<Uint8Array> | Unread> {
  const bad = (why: string): Result<never> => refuse('ARTIFACT_INVALID', why);
  const content = await reading(() => source.blob(digest, size));
  if ('unread' in content) {
    return content.code === 'TOO_LARGE'
      ? bad('the payload is larger than its descriptor says')
      : content;
  }
  if (content.value === null) return bad('the registry does not have the payload');
  // Whatever the source checked: this digest names the evidence in the record, so it is ours to know.
  if (!isContentOf(content.value, digest)) return otherBytes(digest);
  if (content.value.byteLength !== size)
    return bad(`expected ${size} bytes of payload, found ${content.value.byteLength}`);
  return ok(content.value);
}

/** True where the bytes have that digest. */
export function isContentOf(bytes: Uint8Array, digest: Digest): boolean {
  return digestOf(bytes, algorithmOf(digest)) === digest;
}

/** What is said of a registry that answers with other bytes than it was asked for. */
export function otherBytes(digest: Digest): Unread {
  return { unread: `the registry answered other bytes for ${shortDigest(digest)}` };
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
