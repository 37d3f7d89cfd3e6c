import { decodeUtf8 } from './bytes.ts';
import { JsonParser, MalformedJson } from './json-parser.ts';
import type { Result } from './result.ts';
import { ok, refuse } from './result.ts';

/** A JSON value as parsed by {@link parseJson}. Objects have no prototype. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
/** A JSON object as parsed by {@link parseJson}. */
export interface JsonObject {
  readonly [key: string]: Json;
}

/** How much of a document is read. */
export interface JsonLimits {
  /** Longest input in bytes. */
  readonly maxBytes: number;
  /** Deepest nesting of arrays and objects. */
  readonly maxDepth?: number;
  /** Most values (members, elements, the document itself). */
  readonly maxValues?: number;
  /** Refuses numbers that are not spelled as integers, `1.0` and `-0` too. */
  readonly integersOnly?: boolean;
}

/** Values of one document: a large SBOM has half as many, and none keeps everybody waiting for a second. */
const MAX_VALUES = 200_000;

/**
 * Parses strict JSON (RFC 8259) for documents whose bytes are signed or hashed: refuses invalid
 * UTF-8, a byte-order mark, duplicate keys, trailing bytes, unpaired surrogate escapes, and anything
 * over the limits, so that no two readers can see two different documents in the same bytes.
 */
export function parseJson(bytes: Uint8Array, limits: JsonLimits): Result<Json> {
  if (bytes.byteLength > limits.maxBytes) {
    return refuse(
      'TOO_LARGE',
      `expected at most ${limits.maxBytes} bytes of JSON, found ${bytes.byteLength}`,
    );
  }
  const text = decodeUtf8(bytes);
  if (text === undefined) return refuse('JSON_INVALID', 'expected UTF-8, found invalid bytes');
  try {
    const { maxDepth = 32, maxValues = MAX_VALUES, integersOnly = false } = limits;
    return ok(new JsonParser(text, { maxDepth, maxValues, integersOnly }).document());
  } catch (error) {
    if (error instanceof MalformedJson) return refuse('JSON_INVALID', error.message);
    throw error;
  }
}

/** How many values a value is: itself, and all its members and elements. */
export function countValues(value: Json): number {
  if (typeof value !== 'object' || value === null) return 1;
  let count = 1;
  for (const one of isArray(value) ? value : Object.values(value)) count += countValues(one);
  return count;
}

/** True for a JSON object (not null, not an array). */
export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** True for a JSON array. */
export function isArray(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

/** True for an integer that a double holds exactly and that is not negative. */
export function isCount(value: Json | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
