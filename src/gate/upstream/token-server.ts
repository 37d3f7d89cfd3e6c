import type { Pool } from 'undici';
import { messageOf } from '../../lib/errors.ts';
import { TOKEN_ANSWER_BYTES } from '../../oci/authorization.ts';
import { readBounded, relayed, unavailable } from './answer.ts';
import { tlsAdvice } from './failure.ts';
import { openPool } from './pools.ts';
import type { Endpoint, Relayed, TokenRequest, TokenServer } from './upstream.ts';

const TOTAL_TIMEOUT = 30_000;
const CONNECTIONS = 16;

/** Opens the connections to one configured realm: the one address that passwords are sent to (T-71, T-75). */
export function openTokenServer(endpoint: Endpoint): TokenServer & { close(): Promise<void> } {
  const { url } = endpoint;
  const pool = openPool({ origin: url.origin, tls: endpoint.tls }, CONNECTIONS);
  return {
    is: (realm) => URL.canParse(realm) && new URL(realm).href === url.href,
    ask: (request) => ask(pool, url, request),
    close: () => pool.destroy(),
  };
}

async function ask(pool: Pool, url: URL, request: TokenRequest): Promise<Relayed> {
  const { method, query, authorization, body } = request;
  try {
    const response = await pool.request({
      method,
      path: `${url.pathname}${query === '' ? '' : `?${query}`}`,
      headers: {
        accept: 'application/json',
        'accept-encoding': 'identity',
        ...(authorization === null ? {} : { authorization }),
        ...(body === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
      },
      body: body ?? null,
      signal: AbortSignal.timeout(TOTAL_TIMEOUT),
    });
    if (response.statusCode < 300 || (response.statusCode >= 400 && response.statusCode < 500))
      return await relayed(response, TOKEN_ANSWER_BYTES);
    // A redirect is followed by nobody: what was sent along would go to a host that nobody named (T-72).
    await readBounded(response.body, TOKEN_ANSWER_BYTES).catch(() => undefined);
    throw unavailable(`the token server ${url.origin} answered ${response.statusCode}`);
  } catch (error) {
    if (error instanceof Error && error.name === 'CountersignError') throw error;
    const why = tlsAdvice(error, url.host) ?? messageOf(error);
    throw unavailable(`the token server ${url.origin}: ${why}`, error);
  }
}
