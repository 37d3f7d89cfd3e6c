import type { JsonObject } from '../lib/json.ts';
import type { Result } from '../lib/result.ts';
import { ok } from '../lib/result.ts';
import { lookalikeIn } from './lookalike.ts';
import type { TufKey } from './public-key.ts';
import { isVersion, parseTexts } from './signed-fields.ts';
import type { SigningRole } from './threshold.ts';
import { malformed, shown } from './trust-data.ts';

const MEMBERS = new Set(['keyids', 'threshold', 'name', 'paths']);

/**
 * Reads the `keyids` and `threshold` of a role (TUF 4.3). A threshold is an integer from 1 up (T-15);
 * every id names a listed key; an id that is listed twice is one.
 */
export function parseRoleKeys(
  within: string,
  name: string,
  value: JsonObject,
  keys: ReadonlyMap<string, TufKey>,
): Result<SigningRole> {
  const lookalike = lookalikeIn(value, MEMBERS);
  if (lookalike !== undefined)
    return malformed(within, `unexpected member ${shown(lookalike)} of ${name}`);
  const { threshold } = value;
  const ids = parseTexts(value['keyids']);
  if (!isVersion(threshold)) {
    const found = typeof threshold === 'number' ? String(threshold) : 'none';
    return malformed(within, `invalid threshold specified for ${name}: ${found} `);
  }
  if (ids === undefined) return malformed(within, `expected a list of key ids for ${name}`);
  const listed = new Map<string, TufKey>();
  for (const id of ids) {
    const key = keys.get(id);
    if (key === undefined) {
      return malformed(
        within,
        `key ID ${shown(id)} specified in ${name} without corresponding key`,
      );
    }
    listed.set(id, key);
  }
  return ok({ name, keys: listed, threshold });
}
