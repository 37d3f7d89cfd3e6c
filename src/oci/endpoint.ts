import { CountersignError } from '../lib/errors.ts';
import { quote } from '../lib/quote.ts';
import { isDigest } from './digest.ts';
import { isPath, isTag } from './reference.ts';

/** The token scope for reading a repository (distribution, "Token Scope"). */
export function pullScope(path: string): string {
  return `repository:${path}:pull`;
}

/** The token scope for reading and writing a repository. */
export function pushScope(path: string): string {
  return `repository:${path}:pull,push`;
}

/** A path under a repository. Throws NAME_INVALID for a name outside the grammar: it would become another path. */
export function repositoryUrl(path: string, rest: string): string {
  if (!isPath(path)) {
    throw new CountersignError('NAME_INVALID', `expected a repository name, found ${quote(path)}`);
  }
  return `/v2/${path}/${rest}`;
}

/** The path of a manifest. Throws REFERENCE_INVALID for what is neither tag nor digest. */
export function manifestUrl(path: string, reference: string): string {
  if (!isTag(reference) && !isDigest(reference)) {
    throw new CountersignError(
      'REFERENCE_INVALID',
      `expected a tag or digest, found ${quote(reference, 140)}`,
    );
  }
  return repositoryUrl(path, `manifests/${reference}`);
}
