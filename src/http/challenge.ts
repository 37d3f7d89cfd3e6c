import type { GateRegistry } from '../gate/ports.ts';
import { otherRealm } from '../gate/upstream/own-tokens.ts';
import { parseChallenges } from '../oci/challenge.ts';

/** Where clients ask for upstream's tokens by way of the gate. */
export const TOKEN_PATH = '/token';

/** The headers of an upstream's answer; see {@link ownChallenge}. */
type Headers = Readonly<Record<string, string | string[]>>;

/**
 * Upstream's headers with its token server replaced by the gate's own path, for clients that cannot
 * reach it or have a login for the gate's name only (registry-gate 3.1). Without a configured realm
 * they stay as they are. Throws UPSTREAM_INVALID where the challenge names another realm: a client
 * would take its password there (T-71).
 */
export function ownChallenge(headers: Headers, registry: GateRegistry, origin: string): Headers {
  const value = headers['www-authenticate'];
  const server = registry.upstream.tokenServer;
  if (value === undefined || server === null) return headers;
  const bearers = [value]
    .flat()
    .flatMap(parseChallenges)
    .filter(({ scheme }) => scheme === 'bearer');
  const wrong = bearers.find(({ parameters }) => !server.is(parameters['realm'] ?? ''));
  if (wrong !== undefined) throw otherRealm(wrong.parameters['realm'] ?? '');
  // Clients read more leniently: what they may take for a challenge must not reach them unread.
  if (bearers.length === 0 && [value].flat().some((one) => /bearer/i.test(one)))
    throw otherRealm('');
  const own = bearers.map(({ parameters }) => {
    const rest = Object.entries({ ...parameters, realm: `${origin}${TOKEN_PATH}` });
    return `Bearer ${rest.map(([name, text]) => `${name}="${quoted(text)}"`).join(',')}`;
  });
  return own.length === 0 ? headers : { ...headers, 'www-authenticate': own };
}

const quoted = (text: string): string =>
  text.replace(/[^\x20-\x7e]/g, '').replace(/["\\]/g, '\\$&');
