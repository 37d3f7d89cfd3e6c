import { LIMITS } from '../lib/limits.ts';
import type { Json } from '../lib/json.ts';
import type { Envelope } from './envelope.ts';
import { parseEnvelope } from './envelope.ts';
import { ancestorsOf, byDepth, isDelegation, isRoleName } from './role-name.ts';
import { parseExpires } from './signed-fields.ts';
import type { Step } from './update-refusal.ts';
import { fault, step } from './update-refusal.ts';

/** One part of an upload: the role that its file name says, without `.json`, and its bytes. */
export interface UploadPart {
  readonly role: string;
  readonly bytes: Uint8Array;
}

/** A part whose role and common members were read. */
export interface Part extends UploadPart {
  readonly version: number;
  readonly envelope: Envelope;
}

/**
 * Reads the parts of an upload in their order (dct-protocol 1.3): first the role's name, then the JSON.
 * A timestamp is accepted and passed over, since the server makes its own. Of two parts for one role
 * notary-server takes the last; a client that sends two is refused.
 */
export function readParts(uploaded: readonly UploadPart[]): Step<ReadonlyMap<string, Part>> {
  const parts = new Map<string, Part>();
  let signatures = 0;
  let values = 0;
  for (const { role, bytes } of uploaded) {
    if (!isRoleName(role)) {
      return { ok: false, refusal: { code: 'INVALID_ROLE', detail: role.slice(0, 255) } };
    }
    const envelope = parseEnvelope(bytes);
    if (!envelope.ok) return { ok: false, refusal: { code: 'MALFORMED_JSON' } };
    const { _type: type, version, expires } = envelope.value.signed;
    if (typeof type !== 'string' || parseExpires(expires) === undefined || !isInteger(version)) {
      return { ok: false, refusal: { code: 'MALFORMED_JSON' } };
    }
    signatures += envelope.value.signatures.length;
    if (signatures > LIMITS.trustSignaturesTogether) {
      const most = LIMITS.trustSignaturesTogether;
      return fault(
        'ErrValidation',
        `expected at most ${most} signatures in one upload, found more`,
      );
    }
    values += envelope.value.values;
    if (values > LIMITS.trustUploadValues) {
      const most = LIMITS.trustUploadValues;
      return fault(
        'ErrValidation',
        `expected at most ${most} JSON values in one upload, found more`,
      );
    }
    if (parts.has(role)) return fault('ErrValidation', `role ${role} was uploaded twice`);
    parts.set(role, { role, bytes, version, envelope: envelope.value });
  }
  parts.delete('timestamp');
  return step(parts);
}

/** Whether it is a version at all is for the role's own check to say. */
function isInteger(value: Json | undefined): value is number {
  return Number.isSafeInteger(value);
}

/** The uploaded targets roles, parents before children. */
export function targetsRolesOf(parts: ReadonlyMap<string, Part>): readonly string[] {
  return [...parts.keys()]
    .filter((role) => role === 'targets' || isDelegation(role))
    .toSorted(byDepth);
}

/** The roles whose stored state an upload is judged by; a store has to read these and no others. */
export function rolesToLoad(uploaded: readonly Pick<UploadPart, 'role'>[]): readonly string[] {
  const names = uploaded.map(({ role }) => role).filter(isRoleName);
  const needed = [
    'root',
    'targets',
    'snapshot',
    'timestamp',
    ...names,
    ...names.flatMap(ancestorsOf),
  ];
  return [...new Set(needed)];
}
