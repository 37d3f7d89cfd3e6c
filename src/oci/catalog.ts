import type { Exchange } from './exchange.ts';
import { listNames } from './name-list.ts';
import { isPath } from './reference.ts';

/**
 * Reads the names of all repositories (distribution's own extension, `/v2/_catalog`); `null` where
 * the registry has no such list. Throws UPSTREAM_INVALID where it has no end, and FORBIDDEN or
 * UNAUTHENTICATED where it is not the caller's to read.
 */
export function listRepositories(exchange: Exchange): Promise<readonly string[] | null> {
  return listNames(exchange, {
    target: '/v2/_catalog',
    scopes: ['registry:catalog:*'],
    member: 'repositories',
    accepts: isPath,
  });
}
