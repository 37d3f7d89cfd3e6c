import type { Json } from '../lib/json.ts';
import { isArray, isObject, parseJson } from '../lib/json.ts';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import type { SourceChange } from './source.ts';

/**
 * Reads an answer of a changefeed (dct-protocol 1.5): `{"count":…,"records":[{"ID","CreatedAt","GUN",
 * "Version","SHA256","Category"}]}`, ids strictly ascending behind `after`. Refuses with UPSTREAM_INVALID.
 */
export function readChanges(bytes: Uint8Array, after: number): Result<readonly SourceChange[]> {
  const bad = (why: string): Result<never> => refuse('UPSTREAM_INVALID', `changefeed: ${why}`);
  const json = parseJson(bytes, { maxBytes: bytes.length });
  if (!json.ok) return bad(json.refusal.message);
  const records = isObject(json.value) ? json.value['records'] : undefined;
  // Go writes an empty list as null.
  if (records === null) return ok([]);
  if (!isArray(records)) return bad('expected "records"');
  const changes: SourceChange[] = [];
  for (const record of records) {
    const change = readChange(record);
    if (change === undefined)
      return bad('expected changes with id, GUN, version, hash and category');
    if (change.id <= (changes.at(-1)?.id ?? after)) return bad('expected ids in ascending order');
    changes.push(change);
  }
  return ok(changes);
}

function readChange(record: Json): SourceChange | undefined {
  if (!isObject(record)) return undefined;
  const { ID: id, GUN: gun, Version: version, Category: category } = record;
  const sha256 = typeof record['SHA256'] === 'string' ? record['SHA256'].trim() : undefined;
  const at = typeof record['CreatedAt'] === 'string' ? Date.parse(record['CreatedAt']) : Number.NaN;
  if (typeof id !== 'string' || !/^[1-9][0-9]{0,14}$/.test(id)) return undefined;
  if (typeof gun !== 'string' || gun === '' || gun.length > 255) return undefined;
  if (typeof version !== 'number' || !Number.isSafeInteger(version) || version < 0)
    return undefined;
  if (sha256 === undefined || !/^(?:[0-9a-f]{64})?$/.test(sha256)) return undefined;
  if (category !== 'update' && category !== 'deletion') return undefined;
  if (Number.isNaN(at)) return undefined;
  return { id: Number(id), gun, version, sha256, category, time: at };
}
