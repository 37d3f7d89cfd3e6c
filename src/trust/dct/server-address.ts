import { quote } from '../../lib/quote.ts';
import type { Result } from '../../lib/result.ts';
import { ok, refuse } from '../../lib/result.ts';

/** Which trust server an image's registry has (dct-protocol 5.1). */
export interface TrustServerAddress {
  /** Its address, with a path where one was given; `null`: the registry's own origin, wherever that is. */
  readonly url: URL | null;
  /** True where a person named it: then a server without Notary's service is a mistake and no plain registry. */
  readonly named: boolean;
}

const HUB = new URL('https://notary.docker.io');

/**
 * Chooses the trust server as docker does: `DOCKER_CONTENT_TRUST_SERVER` for every registry, else
 * Docker Hub's, else the registry's own origin. Refuses what is no https URL with CONFIG_INVALID: a
 * root is believed on first use because of TLS, and of nothing else. `where` is where a person wrote it.
 */
export function trustServerAddress(
  registryHost: string,
  variable: string | undefined,
  where = 'DOCKER_CONTENT_TRUST_SERVER',
): Result<TrustServerAddress> {
  if (variable !== undefined && variable !== '') {
    const url = URL.canParse(variable) ? new URL(variable) : null;
    const plain = url?.username === '' && url.password === '' && url.search === '';
    if (url?.protocol !== 'https:' || !plain) {
      return refuse(
        'CONFIG_INVALID',
        `valid https URL required for trust server, got ${shown(variable, url)} (${where})`,
      );
    }
    return ok({ url, named: true });
  }
  return ok({ url: registryHost === 'docker.io' ? HUB : null, named: false });
}

/** What was given instead, without what may be a secret in it: logins stand before an @, tokens in queries. */
function shown(variable: string, url: URL | null): string {
  if (!/[@?]/.test(variable)) return quote(variable, 120);
  const address = url === null || url.host === '' ? '' : ` (${url.protocol}//${url.host})`;
  return `one with a login or a query${address}, which belong in docker login`;
}
