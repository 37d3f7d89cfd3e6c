import { CountersignError } from '../../lib/errors.ts';
import type { Json } from '../../lib/json.ts';
import { isCount, isObject, parseJson } from '../../lib/json.ts';
import { LIMITS } from '../../lib/limits.ts';
import type { Result } from '../../lib/result.ts';
import { ok, refuse } from '../../lib/result.ts';
import type { Digest } from '../../oci/digest.ts';
import { parseDigest } from '../../oci/digest.ts';
import type { Repository } from '../../oci/reference.ts';
import { formatReference, parseReference } from '../../oci/reference.ts';
import { strictMembers } from '../strict-members.ts';

const TYPE = 'cosign container image signature';
// 9999-12-31: later instants cannot be written as RFC 3339, and are nobody's signing time.
const LAST_SECOND = 253_402_300_799;
/** Members of `optional` with a meaning of their own (containers/image, "simple signing"); no annotation may take their name. */
const RESERVED: readonly string[] = ['creator', 'timestamp'];

/** What a simple-signing payload claims. */
export interface Payload {
  /** The canonical repository that the signature is for. */
  readonly repository: Repository;
  /** The tag that it names, or `null` where it names the repository only (cosign's default). */
  readonly tag: string | null;
  readonly digest: Digest;
  /** The string members of `optional` but for `creator` and `timestamp`. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly creator: string | null;
  /** Seconds since the epoch, as the signer says; `null` where it does not. */
  readonly timestamp: number | null;
}

/**
 * Writes the payload in the one form that cosign and containers/image both accept: exactly their
 * members, `optional` always present, everything of our own under `optional` as strings. Throws
 * USAGE for annotations that would not be read back as given.
 */
export function makePayload(claim: Payload): Uint8Array {
  const reserved = RESERVED.find((name) => Object.hasOwn(claim.annotations, name));
  if (reserved !== undefined) {
    throw new CountersignError(
      'USAGE',
      `expected an annotation of another name, found "${reserved}", which signatures keep for themselves`,
    );
  }
  const optional = {
    ...(claim.creator === null ? {} : { creator: claim.creator }),
    ...(claim.timestamp === null ? {} : { timestamp: claim.timestamp }),
    ...claim.annotations,
  };
  const reference = formatReference({
    repository: claim.repository,
    ...(claim.tag === null ? {} : { tag: claim.tag }),
  });
  const bytes = Buffer.from(
    JSON.stringify({
      critical: {
        identity: { 'docker-reference': reference },
        image: { 'docker-manifest-digest': claim.digest },
        type: TYPE,
      },
      optional: Object.keys(optional).length === 0 ? null : optional,
    }),
  );
  const read = parsePayload(bytes);
  if (!read.ok) {
    throw new CountersignError('USAGE', `the claim cannot be signed: ${read.refusal.message}`);
  }
  return bytes;
}

/**
 * Reads a simple-signing payload as strictly as containers/image does (its `UnmarshalJSON`): unknown
 * or missing members at the top or in `critical`, a missing `optional`, another `critical.type`,
 * duplicate keys, trailing bytes, more than 64 KiB: refused with ARTIFACT_INVALID. To be called on bytes whose
 * signature was verified; nothing in the payload is trusted before that.
 */
export function parsePayload(bytes: Uint8Array): Result<Payload> {
  const parsed = parseJson(bytes, { maxBytes: LIMITS.payloadBytes, maxDepth: 8 });
  if (!parsed.ok) return invalid(parsed.refusal.message);
  const root = exactly(parsed.value, ['critical', 'optional'], 'payload');
  if (!root.ok) return root;
  const critical = exactly(root.value['critical'], ['identity', 'image', 'type'], 'critical');
  if (!critical.ok) return critical;
  const type = critical.value['type'];
  if (type !== TYPE)
    return invalid(`expected critical.type "${TYPE}", found ${quote(type ?? null)}`);
  const image = exactly(critical.value['image'], ['docker-manifest-digest'], 'critical.image');
  if (!image.ok) return image;
  const digest = parseDigest(text(image.value['docker-manifest-digest']));
  if (!digest.ok) return invalid(digest.refusal.message);
  const identity = exactly(critical.value['identity'], ['docker-reference'], 'critical.identity');
  if (!identity.ok) return identity;
  const reference = parseReference(text(identity.value['docker-reference']));
  if (!reference.ok) return invalid(reference.refusal.message);
  // A reference may repeat the digest, but two digests in one claim are no claim.
  if (reference.value.digest !== undefined && reference.value.digest !== digest.value) {
    return invalid('expected docker-reference to name the signed digest, found another');
  }
  const optional = parseOptional(root.value['optional']);
  if (!optional.ok) return optional;
  return ok({
    repository: reference.value.repository,
    tag: reference.value.tag ?? null,
    digest: digest.value,
    ...optional.value,
  });
}

function parseOptional(
  value: Json | undefined,
): Result<Pick<Payload, 'annotations' | 'creator' | 'timestamp'>> {
  if (value === null) return ok({ annotations: {}, creator: null, timestamp: null });
  if (!isObject(value)) return invalid('expected "optional" to be an object or null');
  const { creator = null, timestamp = null } = value;
  if (Object.hasOwn(value, 'creator') && typeof creator !== 'string')
    return invalid('expected optional.creator to be a string');
  if (
    Object.hasOwn(value, 'timestamp') &&
    !(isCount(timestamp) && (timestamp as number) <= LAST_SECOND)
  ) {
    return invalid('expected optional.timestamp to be whole seconds since the epoch');
  }
  // Members that are no strings are let be, as cosign and containers/image do; they are no annotations.
  const annotations = Object.fromEntries(
    Object.entries(value).filter(
      (entry): entry is [string, string] =>
        typeof entry[1] === 'string' && !RESERVED.includes(entry[0]),
    ),
  );
  return ok({
    annotations,
    creator: creator as string | null,
    timestamp: timestamp as number | null,
  });
}

const invalid = (why: string): Result<never> => refuse('ARTIFACT_INVALID', `payload: ${why}`);
const text = (value: Json | undefined): string => (typeof value === 'string' ? value : '');
const quote = (value: Json): string => JSON.stringify(value).slice(0, 80);
const exactly = (value: Json | undefined, needed: readonly string[], name: string) =>
  strictMembers(value, { needed }, 'payload', name);

/** True where two payloads claim the same of the same image; when it was said and by which program does not matter. */
export function sameClaim(a: Payload, b: Payload): boolean {
  const names = Object.keys(a.annotations);
  return (
    a.repository === b.repository &&
    a.tag === b.tag &&
    a.digest === b.digest &&
    names.length === Object.keys(b.annotations).length &&
    names.every(
      (name) => Object.hasOwn(b.annotations, name) && a.annotations[name] === b.annotations[name],
    )
  );
}
