import type { Json, JsonObject } from '../lib/json.ts';
import { isArray, isObject } from '../lib/json.ts';
import { LIMITS } from '../lib/limits.ts';
import type { Result } from '../lib/result.ts';
import { ok } from '../lib/result.ts';
import type { Envelope } from './envelope.ts';
import type { FileMeta } from './file-meta.ts';
import { parseFileMeta } from './file-meta.ts';
import { lookalikeIn } from './lookalike.ts';
import type { TufKey } from './public-key.ts';
import { isDelegation, parentOf } from './role-name.ts';
import { parseRoleKeys } from './role-keys.ts';
import type { SignedFields } from './signed-fields.ts';
import { parseKeys, parseSignedFields, parseTexts } from './signed-fields.ts';
import type { SigningRole } from './threshold.ts';
import { malformed, shown } from './trust-data.ts';

/** A role that another one delegates to (TUF 4.5). */
export interface Delegation extends SigningRole {
  /** Prefixes of the tags that it may speak for; `''` is all of them, none at all is none. */
  readonly paths: readonly string[];
}

/** What a targets role or a delegation says (TUF 4.5): tags, and whom else to ask. */
export interface Targets extends SignedFields {
  readonly envelope: Envelope;
  readonly targets: ReadonlyMap<string, FileMeta>;
  /** Every key that the delegations may use. */
  readonly keys: ReadonlyMap<string, TufKey>;
  /** In the order in which they are asked. */
  readonly delegations: readonly Delegation[];
}

const BELOW = new Set(['keys', 'roles']);

/** Reads the structure of targets or of a delegation; says nothing about its signatures. */
export function parseTargets(envelope: Envelope, role: string): Result<Targets> {
  const { signed } = envelope;
  const fields = parseSignedFields(signed, role, 'Targets');
  if (!fields.ok) return fields;
  const targets = parseTags(signed['targets'] ?? {}, role);
  if (!targets.ok) return targets;
  const below = signed['delegations'] ?? {};
  if (!isObject(below)) return malformed(role, 'expected an object in "delegations"');
  const lookalike = lookalikeIn(below, BELOW);
  if (lookalike !== undefined)
    return malformed(role, `unexpected member ${shown(lookalike)} of "delegations"`);
  const keys = parseKeys(below['keys']);
  if (!keys.ok) return keys;
  const delegations = parseDelegations(below, role, keys.value);
  if (!delegations.ok) return delegations;
  return ok({
    ...fields.value,
    envelope,
    targets: targets.value,
    keys: keys.value,
    delegations: delegations.value,
  });
}

function parseTags(value: Json, role: string): Result<ReadonlyMap<string, FileMeta>> {
  const names = isObject(value) ? Object.keys(value) : [];
  if (!isObject(value) || names.length > LIMITS.trustTargets) {
    return malformed(role, `expected at most ${LIMITS.trustTargets} targets in an object`);
  }
  const targets = new Map<string, FileMeta>();
  for (const name of names) {
    const file = parseFileMeta(role, name, value[name]);
    if (!file.ok) return file;
    targets.set(name, file.value);
  }
  return ok(targets);
}

function parseDelegations(
  below: JsonObject,
  parent: string,
  keys: ReadonlyMap<string, TufKey>,
): Result<readonly Delegation[]> {
  const list = below['roles'] ?? [];
  if (!isArray(list) || list.length > LIMITS.trustKeys) {
    return malformed(parent, `expected at most ${LIMITS.trustKeys} delegation roles in a list`);
  }
  const out = new Map<string, Delegation>();
  for (const value of list) {
    const delegation = parseDelegation(value, parent, keys);
    if (!delegation.ok) return delegation;
    const { name } = delegation.value;
    // Of two delegations to one name readers could follow either (T-26).
    if (out.has(name)) return malformed(parent, `delegation role ${name} listed twice`);
    out.set(name, delegation.value);
  }
  return ok([...out.values()]);
}

function parseDelegation(
  value: Json,
  parent: string,
  keys: ReadonlyMap<string, TufKey>,
): Result<Delegation> {
  const name = isObject(value) ? value['name'] : undefined;
  if (!isObject(value) || typeof name !== 'string') {
    return malformed(parent, 'expected delegation roles with a name');
  }
  // A role delegates to its own children only, or it could speak for a stranger's (T-26).
  if (!isDelegation(name) || parentOf(name) !== parent) {
    return malformed(parent, `delegation role ${shown(name)} invalid`);
  }
  const paths = parseTexts(value['paths']);
  if (paths === undefined) return malformed(parent, `expected a list of paths for ${name}`);
  const role = parseRoleKeys(parent, name, value, keys);
  return role.ok ? ok({ ...role.value, paths }) : role;
}
