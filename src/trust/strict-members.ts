import type { Json, JsonObject } from '../lib/json.ts';
import { isObject } from '../lib/json.ts';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';

/**
 * An object with these members, all of `needed`, any of `optional` and no other: a member of another
 * spelling, which some reader folds into one that it knows, is refused with the rest. Refuses with
 * ARTIFACT_INVALID; `document` and `name` say in the message what was read and where.
 */
export function strictMembers(
  value: Json | undefined,
  { needed, optional = [] }: { needed: readonly string[]; optional?: readonly string[] },
  document: string,
  name: string,
): Result<JsonObject> {
  const invalid = (why: string): Result<never> =>
    refuse('ARTIFACT_INVALID', `${document}: expected ${why}`);
  if (!isObject(value)) return invalid(`"${name}" to be an object`);
  const missing = needed.find((member) => !Object.hasOwn(value, member));
  if (missing !== undefined) return invalid(`"${missing}" in "${name}", found none`);
  const known = (member: string): boolean => needed.includes(member) || optional.includes(member);
  const unknown = Object.keys(value).find((member) => !known(member));
  if (unknown === undefined) return ok(value);
  return invalid(`no member ${JSON.stringify(unknown).slice(0, 80)} in "${name}"`);
}
