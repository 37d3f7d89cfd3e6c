import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';

/** The roles of a Notary repository's own keys; no signer may have such a name. */
const REPOSITORY_ROLES: readonly string[] = ['root', 'targets', 'snapshot', 'timestamp'];
const RESERVED: readonly string[] = [...REPOSITORY_ROLES, 'releases'];

/**
 * Checks the name of a signing key: what `docker trust key generate` takes too, so that it is a
 * delegation's name and a file's name, and never a path.
 */
export function parseKeyName(text: string): Result<string> {
  if (!/^[a-z0-9][a-z0-9_-]{0,63}$/.test(text)) {
    return refuse(
      'USAGE',
      'expected a key name of 1 to 64 characters a-z, 0-9, "_" or "-", beginning with a letter or digit',
    );
  }
  if (RESERVED.includes(text)) {
    return refuse(
      'USAGE',
      `expected a signer's name, found "${text}", which Notary keeps for itself`,
    );
  }
  return ok(text);
}

/** True for the role of a repository's own key (root, targets, …), which signs no images by itself. */
export function isRepositoryRole(role: string | null): boolean {
  return role !== null && REPOSITORY_ROLES.includes(role);
}
