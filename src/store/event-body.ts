import { sha256 } from '../lib/bytes.ts';
import { canonicalJson } from '../lib/canonical-json.ts';
import type { Json } from '../lib/json.ts';
import { isCount, isObject, parseJson } from '../lib/json.ts';
import { LIMITS } from '../lib/limits.ts';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import { isDigest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
import type { LogName, NewEvent, StoredEvent } from './store.ts';

/** Version of the envelope; the bytes of a version never change their meaning, they will be Merkle leaves. */
const VERSION = 1;
const MAX_DATA = 12 * 1024;

/** An event checked and made ready for its number and time. Plain data: it crosses to the writer's thread. */
export interface EncodedEvent {
  readonly log: LogName;
  readonly type: string;
  readonly repository: string | null;
  readonly tag: string | null;
  readonly digest: string | null;
  readonly actor: string;
  /** Canonical JSON of `data`. */
  readonly data: string;
  readonly idempotencyKey: Uint8Array;
  /** SHA-256 over what makes two events with one key the same: everything but `actor`. */
  readonly contentHash: Uint8Array;
}

/** Checks an event and encodes it; refuses with REQUEST_INVALID, or TOO_LARGE over the bounds. */
export function encodeEvent(event: NewEvent): Result<EncodedEvent> {
  if (!/^[a-z][a-z-]{0,63}$/.test(event.type)) return bad(`a type of letters and "-"`, event.type);
  if (event.idempotencyKey.byteLength !== 32)
    return bad('an idempotency key of 32 bytes', event.idempotencyKey.byteLength);
  if (event.actor === '') return bad('an actor', event.actor);
  let data: string;
  try {
    data = canonicalJson(event.data);
  } catch (error) {
    return bad('data of safe integers', error instanceof Error ? error.message : 'something else');
  }
  if (Buffer.byteLength(data) > MAX_DATA)
    return refuse(
      'TOO_LARGE',
      `expected at most ${MAX_DATA} bytes of event data, found ${data.length}`,
    );
  const { log, type, repository, tag, digest, actor } = event;
  const content: Json = [VERSION, log, type, repository, tag, digest, data];
  const encoded: EncodedEvent = {
    log,
    type,
    repository,
    tag,
    digest,
    actor,
    data,
    idempotencyKey: Uint8Array.from(event.idempotencyKey),
    contentHash: Uint8Array.from(sha256(canonicalJson(content))),
  };
  // What is stored must read back under the strict parser, whatever number and time it gets.
  const longest = bodyOf(encoded, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  const readable = parseJson(longest, { maxBytes: LIMITS.eventBytes });
  return readable.ok ? ok(encoded) : readable;
}

function bad(expected: string, found: string | number): Result<never> {
  const shown = JSON.stringify(found).slice(0, 80);
  return refuse('REQUEST_INVALID', `expected an event with ${expected}, found ${shown}`);
}

/** The event's bytes: canonical JSON (RFC 8785) of `{actor, data, digest, index, log, repository, tag, time, type, v}`. */
export function bodyOf(event: EncodedEvent, index: number, time: number): Buffer {
  const text = (value: string | null): string => canonicalJson(value);
  // The members in RFC 8785's order; `data` is canonical already and is not parsed again.
  return Buffer.from(
    `{"actor":${text(event.actor)},"data":${event.data},"digest":${text(event.digest)},` +
      `"index":${index},"log":"${event.log}","repository":${text(event.repository)},` +
      `"tag":${text(event.tag)},"time":${time},"type":${text(event.type)},"v":${VERSION}}`,
  );
}

/** The RFC 6962 (section 2.1) leaf hash of an event's bytes: SHA-256 over 0x00 and the body. */
export function leafHashOf(body: Uint8Array): Buffer {
  return sha256(Buffer.concat([Buffer.of(0), body]));
}

/** Reads a stored event's bytes back; refuses what this version did not write. */
export function decodeEvent(sequence: number, body: Uint8Array): Result<StoredEvent> {
  const parsed = parseJson(body, { maxBytes: LIMITS.eventBytes });
  if (!parsed.ok) return parsed;
  const value = parsed.value;
  const broken = refuse(
    'JSON_INVALID',
    `expected the body of event ${sequence}, found another document`,
  );
  if (!isObject(value)) return broken;
  const { v, log, index, time, type, repository, tag, digest, actor, data } = value;
  const textOrNull = (field: Json | undefined): field is string | null =>
    field === null || typeof field === 'string';
  if (v !== VERSION || (log !== 'sig' && log !== 'dec') || !isCount(index) || !isCount(time))
    return broken;
  if (typeof type !== 'string' || typeof actor !== 'string' || !isObject(data)) return broken;
  if (!textOrNull(repository) || !textOrNull(tag) || !textOrNull(digest)) return broken;
  if (digest !== null && !isDigest(digest)) return broken;
  return ok({
    sequence,
    log,
    index,
    time,
    type,
    repository: repository as Repository | null,
    tag,
    digest,
    actor,
    data,
    body: Buffer.from(body.buffer, body.byteOffset, body.byteLength),
  });
}
