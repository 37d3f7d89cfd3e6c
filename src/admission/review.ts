import type { Json, JsonObject } from '../lib/json.ts';
import { isObject, parseJson } from '../lib/json.ts';
import { LIMITS } from '../lib/limits.ts';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import { plain } from '../policy/message.ts';
import type { GroupVersionKind } from './kinds.ts';

/** What the API server is about to do (admission.k8s.io/v1 `Operation`). */
export type Operation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';

/** The part of an AdmissionRequest that a decision may depend on. */
export interface Review {
  readonly uid: string;
  readonly operation: Operation;
  readonly kind: GroupVersionKind;
  /** `''` for the object itself. */
  readonly subResource: string;
  /** Who asked the API server; printable, bounded, and vouched for by nobody but it. */
  readonly username: string;
  readonly dryRun: boolean;
  readonly object: Json;
  readonly oldObject: Json;
}

const OPERATIONS: readonly string[] = ['CREATE', 'UPDATE', 'DELETE', 'CONNECT'];

const expected = (what: string, found: Json | undefined): Result<never> =>
  refuse(
    'REQUEST_INVALID',
    `expected ${what}, found ${plain(JSON.stringify(found ?? null), 80)} in the AdmissionReview`,
  );

/**
 * Reads an AdmissionReview of admission.k8s.io/v1, strictly: duplicate keys and trailing bytes are
 * refused, so that nobody on the way can have read another object in the same bytes. Members that no
 * decision depends on are not looked at.
 */
export function parseReview(bytes: Uint8Array): Result<Review> {
  const parsed = parseJson(bytes, { maxBytes: LIMITS.admissionBodyBytes, maxDepth: 64 });
  if (!parsed.ok) return parsed;
  const review = parsed.value;
  if (!isObject(review)) return expected('an object', review);
  if (review['apiVersion'] !== 'admission.k8s.io/v1')
    return expected('apiVersion admission.k8s.io/v1', review['apiVersion']);
  if (review['kind'] !== 'AdmissionReview') return expected('kind AdmissionReview', review['kind']);
  const request = review['request'];
  return isObject(request) ? readRequest(request) : expected('an object as request', request);
}

function readRequest(request: JsonObject): Result<Review> {
  const uid = request['uid'];
  if (typeof uid !== 'string' || !/^[\x21-\x7e]{1,128}$/.test(uid))
    return expected('uid of at most 128 printable characters', uid);
  const operation = request['operation'];
  if (typeof operation !== 'string' || !OPERATIONS.includes(operation))
    return expected(`operation ${OPERATIONS.join(', ')}`, operation);
  const kind = readKind(request['kind']);
  if (kind === null) return expected('kind with group, version and kind', request['kind']);
  const subResource = request['subResource'] ?? '';
  if (typeof subResource !== 'string') return expected('text as subResource', subResource);
  const dryRun = request['dryRun'] ?? false;
  if (typeof dryRun !== 'boolean') return expected('true or false as dryRun', dryRun);
  const user = request['userInfo'] ?? null;
  const username = isObject(user) ? user['username'] : null;
  return ok({
    uid,
    operation: operation as Operation,
    kind,
    subResource,
    username: typeof username === 'string' && username !== '' ? plain(username, 200) : 'unknown',
    dryRun,
    object: request['object'] ?? null,
    oldObject: request['oldObject'] ?? null,
  });
}

function readKind(value: Json | undefined): GroupVersionKind | null {
  if (!isObject(value)) return null;
  const { group = '', version, kind } = value;
  if (typeof group !== 'string' || typeof version !== 'string' || typeof kind !== 'string')
    return null;
  return { group, version, kind };
}
