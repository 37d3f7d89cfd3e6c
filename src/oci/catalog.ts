import type { Exchange } from './exchange.ts';
import { listNames } from './name-list.ts';
import { isPath } from './reference.ts';

const SCOPES = ['registry:catalog:*'];

/**
 * Reads the names of all repositories (distribution's own extension, `/v2/_catalog`); `null` where
 * the registry has no such list. Throws UPSTREAM_INVALID where it has no end, and FORBIDDEN or
 * UNAUTHENTICATED where it is not the caller's to read.
 */
export async function listRepositories(exchange: Exchange): Promise<readonly string[] | null> {
  await logIn(exchange);
  return listNames(exchange, {
    target: '/v2/_catalog',
    scopes: SCOPES,
    member: 'repositories',
    accepts: isPath,
  });
}

/**
 * A list that is filtered by right is shorter for strangers, and never a 401 that would make us log
 * in. `/v2/` says whether there are logins here at all.
 */
function logIn(exchange: Exchange): Promise<void> {
  return exchange.request(
    { method: 'GET', target: '/v2/', scopes: SCOPES, idempotent: true },
    (answer) => answer.drain(),
  );
}
