import type { Json, JsonObject } from '../../../src/lib/json.ts';
import { isArray, isObject } from '../../../src/lib/json.ts';
import type { RegistryClient } from '../../../src/oci/client.ts';
import { parseReference } from '../../../src/oci/reference.ts';
import { apiObject } from '../../api/answer.ts';

/** What a revocation is about. */
export type Revoked = { readonly image: string } | { readonly key: string };

/**
 * A warning where a tag is revoked that the repository does not have: it may be a slip, and somebody
 * believes to be safe. `null` where it is there or nobody can tell; never throws, as doubt must not
 * keep a revocation from being made.
 */
export async function isNotThere(client: RegistryClient, what: Revoked): Promise<string | null> {
  const image = 'image' in what ? parseReference(what.image) : null;
  if (image?.ok !== true || image.value.tag === undefined) return null;
  const { repository, path, tag } = image.value;
  try {
    if ((await client.tags(path)).includes(tag)) return null;
  } catch {
    return null;
  }
  return `${repository} has no tag ${tag} now; the revocation waits for one (a slip? countersign revoke --undo takes it back)`;
}

/** The revocations in force that the caller may see; `null` where nobody tells. Never throws. */
export async function inForce(client: RegistryClient): Promise<readonly JsonObject[] | null> {
  try {
    const list = apiObject(await client.api('GET', '/api/v1/revocations'))?.['revocations'];
    return isArray(list) ? list.filter(isObject) : null;
  } catch {
    return null;
  }
}

const ABOUT = ['kind', 'repository', 'tag', 'digest', 'keyId'];

/** A warning where what was taken back was not in force: the revocation that was meant may still be. */
export function wasNotRevoked(
  name: string,
  revocation: Json,
  before: readonly JsonObject[] | null,
): string | null {
  if (before === null || !isObject(revocation)) return null;
  if (before.some((one) => ABOUT.every((field) => one[field] === revocation[field]))) return null;
  return `${name} was not revoked before; a digest is given back as a digest, a tag as a tag, a key as a key`;
}
