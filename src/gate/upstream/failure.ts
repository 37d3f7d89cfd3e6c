import type { Dispatcher } from 'undici';
import type { CountersignError } from '../../lib/errors.ts';
import { messageOf } from '../../lib/errors.ts';
import { parseChallenges } from '../../oci/challenge.ts';
import { header, unavailable } from './answer.ts';

const UNKNOWN_AUTHORITY = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_SIGNATURE_FAILURE',
]);

/** What an operator does about a certificate that was not accepted; `undefined` for any other failure. */
export function tlsAdvice(error: unknown, host: string): string | undefined {
  const code = String((error as NodeJS.ErrnoException).code ?? '');
  if (UNKNOWN_AUTHORITY.has(code))
    return `${host} shows a certificate of an authority that is not trusted here (${code}); name the authority's certificate as ca, or put it into /etc/docker/certs.d/${host}/ca.crt, and restart`;
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID')
    return `${host} shows a certificate that is not valid now (${code}); renew it there, and check the clock here`;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `${host} shows a certificate for another name; ask it by a name that its certificate has: ${messageOf(error)}`;
  if (/^(?:ERR_SSL_|ERR_TLS_|EPROTO|CERT_)/.test(code))
    return `${host} does not agree on TLS (${code}); check that the port speaks TLS and whether it wants a client certificate (ca may be a folder with X.cert and X.key)`;
  return undefined;
}

/** The error for a request to `host` that got no answer; what was ours already stays so. */
export function noAnswer(error: unknown, host: string): CountersignError {
  return unavailable(tlsAdvice(error, host) ?? messageOf(error), error);
}

/** The error for a 401 to the gate itself: for the operator, not for the client, who has no login upstream (T-71). */
export function gateRefused(
  response: Dispatcher.ResponseData,
  hasRealm: boolean,
): CountersignError {
  const challenges = parseChallenges(header(response, 'www-authenticate') ?? '');
  const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
  const realm = JSON.stringify((bearer?.parameters['realm'] ?? '').slice(0, 200));
  if (bearer !== undefined && !hasRealm)
    return unavailable(
      `answered 401 and asks for tokens of ${realm}; if that is its token server, set it as realm`,
    );
  return unavailable('answered 401: it does not take the credentials of the gate');
}
