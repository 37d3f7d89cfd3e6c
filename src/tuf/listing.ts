import { isObject } from '../lib/json.ts';
import { LIMITS } from '../lib/limits.ts';
import type { Result } from '../lib/result.ts';
import { ok } from '../lib/result.ts';
import type { Envelope } from './envelope.ts';
import { parseEnvelope } from './envelope.ts';
import type { FileMeta } from './file-meta.ts';
import { parseFileMeta } from './file-meta.ts';
import type { SignedFields } from './signed-fields.ts';
import { checkExpiry, parseSignedFields } from './signed-fields.ts';
import type { SigningRole } from './threshold.ts';
import { verifyThreshold } from './threshold.ts';
import { malformed } from './trust-data.ts';

/** A snapshot (TUF 4.4), which lists the file of every role, or a timestamp (TUF 4.6), which lists the snapshot. */
export interface Listing extends SignedFields {
  readonly envelope: Envelope;
  /** By role name, in Notary without `.json`. */
  readonly meta: ReadonlyMap<string, FileMeta>;
}

/** The two roles that list files. */
export type ListingRole = 'snapshot' | 'timestamp';

const TYPE = { snapshot: 'Snapshot', timestamp: 'Timestamp' } as const;
const MUST_LIST: Readonly<Record<ListingRole, readonly string[]>> = {
  snapshot: ['root', 'targets'],
  timestamp: ['snapshot'],
};

/** Reads the structure of a snapshot or timestamp; says nothing about its signatures. */
export function parseListing(envelope: Envelope, role: ListingRole): Result<Listing> {
  const fields = parseSignedFields(envelope.signed, role, TYPE[role]);
  if (!fields.ok) return fields;
  const listed = envelope.signed['meta'];
  const names = isObject(listed) ? Object.keys(listed) : [];
  if (!isObject(listed) || names.length > LIMITS.trustTargets) {
    return malformed(role, `expected at most ${LIMITS.trustTargets} files in "meta"`);
  }
  const meta = new Map<string, FileMeta>();
  for (const name of [...MUST_LIST[role], ...names]) {
    const file = parseFileMeta(role, name, listed[name]);
    if (!file.ok) return file;
    meta.set(name, file.value);
  }
  return ok({ ...fields.value, envelope, meta });
}

/** Verifies a snapshot or timestamp by the role that a root gives it, and its expiry (TUF 5.4, 5.5); `null` takes any date. */
export function verifyListing(
  bytes: Uint8Array,
  name: ListingRole,
  role: SigningRole,
  now: Date | null,
): Result<Listing> {
  const bound = name === 'timestamp' ? LIMITS.timestampBytes : LIMITS.trustMetadataBytes;
  const envelope = parseEnvelope(bytes, bound);
  if (!envelope.ok) return envelope;
  const signed = verifyThreshold(envelope.value, role);
  if (!signed.ok) return signed;
  const listing = parseListing(envelope.value, name);
  if (!listing.ok) return listing;
  if (now === null) return listing;
  const fresh = checkExpiry(listing.value, name, now);
  return fresh.ok ? listing : fresh;
}
