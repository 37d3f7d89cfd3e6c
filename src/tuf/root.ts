import { isObject } from '../lib/json.ts';
import { LIMITS } from '../lib/limits.ts';
import type { Result } from '../lib/result.ts';
import { ok } from '../lib/result.ts';
import type { Envelope } from './envelope.ts';
import { parseEnvelope } from './envelope.ts';
import type { TufKey } from './public-key.ts';
import type { BaseRole } from './role-name.ts';
import { BASE_ROLES } from './role-name.ts';
import { parseRoleKeys } from './role-keys.ts';
import type { SignedFields } from './signed-fields.ts';
import { parseKeys, parseSignedFields } from './signed-fields.ts';
import type { SigningRole } from './threshold.ts';
import { malformed } from './trust-data.ts';

/** A root (TUF 4.3): who signs each of the four roles. Reading it says nothing about its signatures. */
export interface Root extends SignedFields {
  readonly envelope: Envelope;
  readonly keys: ReadonlyMap<string, TufKey>;
  readonly roles: Readonly<Record<BaseRole, SigningRole>>;
}

/**
 * Reads the structure of a root. All four roles must be there; others, which old clients wrote
 * (`root.1`), are signed but mean nothing. A threshold above the number of keys could never be met.
 */
export function parseRoot(envelope: Envelope): Result<Root> {
  const { signed, bytes, values } = envelope;
  if (bytes.byteLength > LIMITS.rootBytes || values > LIMITS.rootValues) {
    const most = `${LIMITS.rootBytes} bytes and ${LIMITS.rootValues} JSON values`;
    return malformed('root', `expected at most ${most}`);
  }
  const fields = parseSignedFields(signed, 'root', 'Root');
  if (!fields.ok) return fields;
  const keys = parseKeys(signed['keys']);
  if (!keys.ok) return keys;
  const listed = isObject(signed['roles']) ? signed['roles'] : {};
  const roles: Partial<Record<BaseRole, SigningRole>> = {};
  for (const name of BASE_ROLES) {
    const value = listed[name];
    if (!isObject(value)) return malformed('root', `missing ${name} role specification`);
    const role = parseRoleKeys('root', name, value, keys.value);
    if (!role.ok) return role;
    const { threshold } = role.value;
    if (threshold > role.value.keys.size) {
      return malformed('root', `invalid threshold specified for ${name}: ${threshold} `);
    }
    roles[name] = role.value;
  }
  const { root, targets, snapshot, timestamp } = roles as Record<BaseRole, SigningRole>;
  return ok({
    ...fields.value,
    envelope,
    keys: keys.value,
    roles: { root, targets, snapshot, timestamp },
  });
}

/** Reads a file as a root; see {@link parseRoot}. Its signatures are not checked. Refuses as `parseEnvelope` does. */
export function readRoot(bytes: Uint8Array): Result<Root> {
  const envelope = parseEnvelope(bytes);
  return envelope.ok ? parseRoot(envelope.value) : envelope;
}
