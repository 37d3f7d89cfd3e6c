import { CountersignError, messageOf } from '../lib/errors.ts';

/**
 * The error for a request that got no answer, or none to its end: UPSTREAM_UNAVAILABLE that says what to
 * do. What was aborted stays an abort, and an error of ours what it is.
 */
export function unreachable(error: unknown, url: URL, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted === true) return signal.reason;
  if (error instanceof CountersignError) return error;
  return new CountersignError('UPSTREAM_UNAVAILABLE', `${url.host} ${explain(error, url)}`, {
    cause: error,
  });
}

/** What happened, as the rest of a sentence that begins with the host. */
function explain(error: unknown, url: URL): string {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (/CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS_CERT/.test(code)) {
    return `showed a certificate that is not trusted (${code}): pass --ca FILE, or put its authority into /etc/docker/certs.d/${url.host}/ca.crt`;
  }
  switch (code) {
    case 'ECONNREFUSED':
      return 'refused the connection: is the service running there?';
    case 'ENOTFOUND':
      return url.hostname.endsWith('.docker.io')
        ? 'is not a host that the resolver knows; images without a host are those of Docker Hub, others are written HOST/NAME:TAG'
        : 'is not a host that the resolver knows';
    case 'EPROTO':
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
      return 'does not speak TLS';
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'UND_ERR_HEADERS_TIMEOUT':
    case 'UND_ERR_BODY_TIMEOUT':
      return 'did not answer in time';
    case 'UND_ERR_SOCKET':
    case 'ECONNRESET':
    case 'EPIPE':
      return 'broke the connection';
    default:
      return `could not be asked: ${messageOf(error)}`;
  }
}
