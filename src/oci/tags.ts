import { pullScope, repositoryUrl } from './endpoint.ts';
import type { Exchange } from './exchange.ts';
import { listNames } from './name-list.ts';
import { isTag } from './reference.ts';

/**
 * Reads a repository's tag list; `null` where the registry knows no such repository. Throws
 * UPSTREAM_INVALID where the list has no end.
 */
export function listTags(exchange: Exchange, path: string): Promise<readonly string[] | null> {
  return listNames(exchange, {
    target: repositoryUrl(path, 'tags/list'),
    scopes: [pullScope(path)],
    member: 'tags',
    accepts: isTag,
  });
}
