import { CountersignError } from '../../src/lib/errors.ts';
import type { Json, JsonObject } from '../../src/lib/json.ts';
import { isArray, isObject } from '../../src/lib/json.ts';
import type { ApiAnswer } from '../../src/oci/api-call.ts';
import { printable } from '../../src/oci/refusal.ts';

/**
 * The JSON object that a Countersign answered, or `null` where the answer shows that none serves
 * this host (no such path, or a page that is no JSON). Throws what a Countersign refused:
 * MANIFEST_UNKNOWN for an image that is not there, REQUEST_INVALID for a question it does not take.
 */
export function apiObject(answer: ApiAnswer): JsonObject | null {
  const { status, body } = answer;
  if (!isObject(body)) return null;
  if (status === 200) return body;
  const error = isArray(body['errors']) ? body['errors'][0] : undefined;
  if (!isObject(error)) return null;
  const message = printable(textOf(error['message']));
  if (status === 404) {
    // A registry that knows no such path may answer JSON too, but never of a manifest.
    if (error['code'] !== 'MANIFEST_UNKNOWN') return null;
    throw new CountersignError('MANIFEST_UNKNOWN', message);
  }
  if (status === 405) return null;
  throw new CountersignError('REQUEST_INVALID', message);
}

/** The text, or `''` for anything else. */
export function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}

/** For an answer of a Countersign that does not have the promised shape. */
export function malformed(what: string): CountersignError {
  return new CountersignError(
    'UPSTREAM_INVALID',
    `expected ${what} from the Countersign, found something else; are its version and this one far apart?`,
  );
}
