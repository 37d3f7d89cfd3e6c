import type { Authorizer } from './authorize.ts';
import { createAuthorizer } from './authorize.ts';
import type { CredentialSource } from './credentials.ts';
import { NO_CREDENTIALS } from './credentials.ts';
import type { Exchange, Retry } from './exchange.ts';
import { createExchange, DEFAULT_RETRY } from './exchange.ts';
import { findOrigin } from './origin.ts';
import type { TlsLookup } from './tls.ts';
import { NO_TLS_FILES } from './tls.ts';
import type { Timeouts, Transport } from './transport.ts';
import { createTransport, DEFAULT_TIMEOUTS } from './transport.ts';

/** How a host is reached, and who speaks there. */
export interface ConnectionOptions {
  /** The registry's host as in references: whose login counts, and where the origin is looked for. */
  readonly host: string;
  /** Where it is; without, it is found (TLS, or plain HTTP on loopback). */
  readonly origin?: URL | undefined;
  readonly credentials?: CredentialSource | undefined;
  readonly tls?: TlsLookup | undefined;
  /** Hosts that may be asked for tokens besides the host's own. */
  readonly allowedRealms?: readonly string[] | undefined;
  readonly userAgent?: string | undefined;
  readonly timeouts?: Partial<Timeouts> | undefined;
  readonly retry?: Partial<Retry> | undefined;
  /** Aborts everything that is under way. */
  readonly signal?: AbortSignal | undefined;
}

/** What clients of registries and of trust servers speak through. */
export interface Connection {
  readonly transport: Transport;
  readonly authorizer: Authorizer;
  readonly exchange: Exchange;
  readonly retry: Retry;
  /** Where the host is. Throws UPSTREAM_UNAVAILABLE. */
  origin(): Promise<URL>;
  close(): Promise<void>;
}

/** Opens a connection; nothing is sent before the first call. Whoever opens it closes it. */
export function openConnection(options: ConnectionOptions): Connection {
  const { host, signal, credentials = NO_CREDENTIALS, allowedRealms = [] } = options;
  const { tls = NO_TLS_FILES, userAgent = 'countersign' } = options;
  const timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts };
  const transport = createTransport({ tls, timeouts, userAgent });
  const find = async (): Promise<URL> => {
    const { explicit } = await tls(host);
    return findOrigin(host, transport, { explicitCa: explicit, signal });
  };
  let found: Promise<URL> | undefined;
  const origin = (): Promise<URL> => {
    found ??= options.origin === undefined ? find() : Promise.resolve(options.origin);
    // A registry that was not up a moment ago may be up now.
    found.catch(() => (found = undefined));
    return found;
  };
  const authorizer = createAuthorizer({
    host,
    credentials,
    allowedRealms,
    transport,
    origin,
    signal,
  });
  const retry = { ...DEFAULT_RETRY, ...options.retry };
  const exchange = createExchange({ transport, authorizer, origin, retry, signal });
  return { transport, authorizer, exchange, retry, origin, close: () => transport.close() };
}
