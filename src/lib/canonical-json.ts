import type { Json, JsonObject } from './json.ts';
import { isArray } from './json.ts';

/** Canonical JSON (RFC 8785) of a value without fractions: what the records are hashed as. Throws RangeError for a number that is no safe integer. */
export function canonicalJson(value: Json): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string')
    return JSON.stringify(value);
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value))
      throw new RangeError(`canonical JSON holds safe integers only, found ${value}`);
    return String(value);
  }
  if (isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const object = value as JsonObject;
  // RFC 8785 section 3.2.3 sorts by UTF-16 code units, which is JavaScript's own order.
  const members = Object.keys(object)
    .toSorted((a, b) => (a < b ? -1 : 1))
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(object[key] as Json)}`);
  return `{${members.join(',')}}`;
}
