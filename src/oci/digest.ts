import { createHash } from 'node:crypto';
import { quote } from '../lib/quote.ts';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';

declare const digestBrand: unique symbol;
/** A content digest, `sha256:<64 lower-case hex>` or `sha512:<128 hex>`; made only by {@link parseDigest} and {@link digestOf}. */
export type Digest = string & { readonly [digestBrand]: true };

/** The algorithms that are accepted (OCI image-spec, "Registered algorithms"). */
export type DigestAlgorithm = 'sha256' | 'sha512';

const HEX_LENGTH: Readonly<Record<DigestAlgorithm, number>> = { sha256: 64, sha512: 128 };

/** True where the text is a digest that {@link parseDigest} accepts. */
export function isDigest(text: string): text is Digest {
  return /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/.test(text);
}

/** Reads a digest (OCI image-spec, "Digests"): sha256 or sha512, lower-case hex of the right length, nothing else. */
export function parseDigest(text: string): Result<Digest> {
  if (isDigest(text)) return ok(text);
  return refuse(
    'DIGEST_INVALID',
    `expected sha256:<64 lower-case hex digits> or sha512:<128>, found ${quote(text)}`,
  );
}

/** The digest of the bytes, sha256 unless told otherwise. */
export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = 'sha256'): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}` as Digest;
}

/** The algorithm of a digest. */
export function algorithmOf(digest: Digest): DigestAlgorithm {
  return digest.startsWith('sha512:') ? 'sha512' : 'sha256';
}

/** The hex part of a digest. */
export function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}

/** `sha256:` and the first twelve hex digits: how digests appear in messages. */
export function shortDigest(digest: Digest): string {
  return digest.slice(0, digest.indexOf(':') + 13);
}

/** The digest of a finished hash, for content that was streamed. */
export function digestFromHex(algorithm: DigestAlgorithm, hex: string): Result<Digest> {
  return hex.length === HEX_LENGTH[algorithm]
    ? parseDigest(`${algorithm}:${hex}`)
    : parseDigest('');
}
