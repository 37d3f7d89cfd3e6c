import type { Json, JsonObject } from '../lib/json.ts';
import { isArray, isObject } from '../lib/json.ts';
import { LIMITS } from '../lib/limits.ts';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import { lookalikeIn } from './lookalike.ts';
import type { TufKey } from './public-key.ts';
import { parseTufKey } from './public-key.ts';
import { invalid, malformed, shown } from './trust-data.ts';

/** What every role's metadata says (TUF 4.2.1.1). */
export interface SignedFields {
  readonly version: number;
  readonly expires: Date;
}

const INSTANT = /^(\d{4}-\d{2}-\d{2})T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/;
/** Notary keeps versions in a 32-bit column. */
const MAX_VERSION = 2 ** 31 - 1;

const MEMBERS = ['_type', 'version', 'expires', 'consistent_snapshot'];
const OF_TYPE: Readonly<Record<string, ReadonlySet<string>>> = {
  Root: new Set([...MEMBERS, 'keys', 'roles']),
  Targets: new Set([...MEMBERS, 'targets', 'delegations']),
  Snapshot: new Set([...MEMBERS, 'meta']),
  Timestamp: new Set([...MEMBERS, 'meta']),
};

/** Reads `_type`, `version` and `expires` (RFC 3339, also with an offset and nine digits of a second). */
export function parseSignedFields(
  signed: JsonObject,
  role: string,
  type: 'Root' | 'Targets' | 'Snapshot' | 'Timestamp',
): Result<SignedFields> {
  const lookalike = lookalikeIn(signed, OF_TYPE[type] ?? new Set());
  if (lookalike !== undefined) return malformed(role, `unexpected member ${shown(lookalike)}`);
  const found = signed['_type'];
  if (found !== type) {
    return malformed(
      role,
      `expected type ${type}, not ${typeof found === 'string' ? shown(found) : 'none'}`,
    );
  }
  const { version } = signed;
  if (!isVersion(version)) return malformed(role, 'version cannot be less than one');
  const expires = parseExpires(signed['expires']);
  if (expires === undefined) return malformed(role, 'expected an RFC 3339 time in "expires"');
  return ok({ version, expires });
}

/** True for a version: an integer from 1 up. */
export function isVersion(value: Json | undefined): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MAX_VERSION;
}

/** Reads an RFC 3339 instant of a day that exists; `undefined` for anything else. */
export function parseExpires(value: Json | undefined): Date | undefined {
  const day = typeof value === 'string' ? INSTANT.exec(value)?.[1] : undefined;
  if (typeof value !== 'string' || day === undefined) return undefined;
  const date = new Date(value);
  const midnight = new Date(`${day}T00:00:00Z`);
  // Date rolls 31 February over into March.
  const real = !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(day);
  return real && !Number.isNaN(date.getTime()) ? date : undefined;
}

/** Refuses what has expired (TUF 5.3.10, 5.4.4, 5.5.6, 5.6.5): a server that is frozen in time must not be believed (T-22). */
export function checkExpiry(fields: SignedFields, role: string, now: Date): Result<true> {
  if (fields.expires.getTime() > now.getTime()) return ok(true);
  return refuse('TRUST_DATA_EXPIRED', `${role} expired at ${goTime(fields.expires)}`);
}

/** Refuses a version lower than what was seen (TUF 5.3.5, 5.4.3, 5.5.5, 5.6.4): a rollback (T-23). */
export function checkVersion(fields: SignedFields, atLeast: number): Result<true> {
  if (fields.version >= atLeast) return ok(true);
  return refuse(
    'TRUST_DATA_ROLLBACK',
    `version ${fields.version} is lower than current version ${atLeast}`,
  );
}

/** As Go writes times in Notary's messages: `Wed Jan 1 00:00:00 UTC 2020`. */
function goTime(date: Date): string {
  const [week = '', day, month, year, time] = date.toUTCString().split(' ');
  return `${week.slice(0, 3)} ${month} ${Number(day)} ${time} UTC ${year}`;
}

/** Reads a map of keys by id; none at all is an empty one, as Go writes it. */
export function parseKeys(value: Json | undefined): Result<ReadonlyMap<string, TufKey>> {
  const keys = new Map<string, TufKey>();
  if (value === undefined || value === null) return ok(keys);
  const ids = isObject(value) ? Object.keys(value) : [];
  if (!isObject(value) || ids.length > LIMITS.trustKeys) {
    return invalid(`expected an object of at most ${LIMITS.trustKeys} keys`);
  }
  for (const id of ids) {
    const key = parseTufKey(id, value[id]);
    if (!key.ok) return key;
    keys.set(id, key.value);
  }
  return ok(keys);
}

/** Reads a list of texts; none at all is an empty one. `undefined` for anything else. */
export function parseTexts(value: Json | undefined): readonly string[] | undefined {
  if (value === undefined || value === null) return [];
  if (!isArray(value) || value.length > LIMITS.trustKeys) return undefined;
  return value.every((item) => typeof item === 'string') ? value : undefined;
}
