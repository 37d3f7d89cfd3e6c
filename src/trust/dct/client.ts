import { CountersignError } from '../../lib/errors.ts';
import { isObject, parseJson } from '../../lib/json.ts';
import { LIMITS } from '../../lib/limits.ts';
import { unwrap } from '../../lib/result.ts';
import { createAuthorizer } from '../../oci/authorize.ts';
import type { CredentialSource } from '../../oci/credentials.ts';
import { NO_CREDENTIALS } from '../../oci/credentials.ts';
import type { Call, Retry } from '../../oci/exchange.ts';
import { createExchange, DEFAULT_RETRY } from '../../oci/exchange.ts';
import { findOrigin } from '../../oci/origin.ts';
import type { Repository } from '../../oci/reference.ts';
import { refusalOf } from '../../oci/refusal.ts';
import type { TlsLookup } from '../../oci/tls.ts';
import { NO_TLS_FILES } from '../../oci/tls.ts';
import type { Answer } from '../../oci/answer.ts';
import { createTransport, DEFAULT_TIMEOUTS } from '../../oci/transport.ts';
import type { TufKey } from '../../tuf/public-key.ts';
import { parseTufKey, tufKeyId } from '../../tuf/public-key.ts';
import type { UploadPart } from '../../tuf/update-parts.ts';
import { multipartOf } from './multipart.ts';
import { isConflict, parseNotaryError, updateRefused } from './notary-error.ts';
import type { TrustServerAddress } from './server-address.ts';

/** The roles whose keys a server may hold. */
export type ServerRole = 'snapshot' | 'timestamp';

/** How a publish ended: all of it is stored, or somebody else was faster and nothing is. */
export type Published = 'stored' | 'conflict';

/**
 * A Notary v1 server (dct-protocol 1). What it says is not believed by anything here. All methods throw
 * CountersignError: UPSTREAM_UNAVAILABLE (no answer), UPSTREAM_INVALID, UNAUTHENTICATED, FORBIDDEN.
 */
export interface TrustServer {
  /** As messages name it. */
  readonly host: string;
  readonly address: TrustServerAddress;
  /**
   * One file: `root` is `root.json`, `snapshot.<sha256>`, `3.root`; `null` for a 404, and where there is
   * no such service at all. Throws UPSTREAM_INVALID for more bytes than `maxBytes`.
   */
  file(repository: Repository, name: string, maxBytes?: number): Promise<Uint8Array | null>;
  /** The server's key of a role, made if need be. Throws NO_TRUST_SERVICE where the server has no such service. */
  key(repository: Repository, role: ServerRole): Promise<TufKey>;
  /** A key of the server's to change to; it counts once a root lists it. */
  rotateKey(repository: Repository, role: ServerRole): Promise<TufKey>;
  /** Stores files, all or none. Throws TRUST_UPDATE_REFUSED with the server's reason. */
  publish(repository: Repository, parts: readonly UploadPart[]): Promise<Published>;
  /** Deletes the repository's trust data; it may be gone already. */
  remove(repository: Repository): Promise<void>;
  /**
   * Some lines of the changefeed behind the one with the id `after`, as the server writes them, of one
   * repository or (`null`) of all; `null` where there is no such feed.
   */
  changes(repository: Repository | null, after: number): Promise<Uint8Array | null>;
  close(): Promise<void>;
}

/** Which trust server, and how to reach it and speak for somebody there. */
export interface TrustServerOptions {
  /** The registry of the images: its login is the one that counts here too (dct-protocol 4.2). */
  readonly registryHost: string;
  readonly address: TrustServerAddress;
  readonly credentials?: CredentialSource;
  readonly tls?: TlsLookup;
  /** Hosts that may be asked for tokens besides the server's own. */
  readonly allowedRealms?: readonly string[];
  readonly signal?: AbortSignal | undefined;
  readonly retry?: Partial<Retry>;
  /** How long one call may take with all its attempts and logins, in milliseconds. */
  readonly callMs?: number;
}

/** Idle time alone bounds nothing: a server that sends a byte a minute would keep a job for ever. */
const CALL_MS = 10 * 60_000;
const KEY_BYTES = 256 * 1024;
const ERROR_BYTES = 64 * 1024;
/** Lines of one answer of the changefeed, each below 1 KiB. */
const CHANGES = 1000;
const scope = (repository: Repository, actions: string): string[] => [
  `repository:${repository}:${actions}`,
];

type Asked = Pick<Call, 'method' | 'headers' | 'body'> & { readonly target: string };

/** Opens a trust server; nothing is sent before the first call. Whoever opens it closes it. */
export function openTrustServer(options: TrustServerOptions): TrustServer {
  const { registryHost, address, signal } = options;
  const tls = options.tls ?? NO_TLS_FILES;
  const transport = createTransport({ tls, timeouts: DEFAULT_TIMEOUTS, userAgent: 'countersign' });
  let found: Promise<URL> | undefined;
  const origin = (): Promise<URL> => {
    found ??=
      address.url === null
        ? tls(registryHost).then(({ explicit }) =>
            findOrigin(registryHost, transport, { explicitCa: explicit, signal }),
          )
        : Promise.resolve(new URL(address.url.origin));
    found.catch(() => (found = undefined));
    return found;
  };
  const authorizer = createAuthorizer({
    host: registryHost,
    credentials: options.credentials ?? NO_CREDENTIALS,
    allowedRealms: options.allowedRealms ?? [],
    transport,
    origin,
    signal,
  });
  const retry = { ...DEFAULT_RETRY, ...options.retry };
  const exchange = createExchange({ transport, authorizer, origin, retry, signal });
  const host = address.url?.host ?? registryHost;
  const prefix = (address.url?.pathname ?? '').replace(/\/+$/, '');

  // docker learns the challenge here, before every command: the paths of the trust data may be served
  // by somebody who has none. What goes wrong with it goes wrong again with what is asked for.
  let learnt: Promise<void> | undefined;
  const learn = async (scopes: readonly string[]): Promise<void> => {
    try {
      const url = new URL(`${prefix}/v2/`, await origin());
      const answer = await transport.send({ method: 'GET', url, signal });
      if (answer.status === 401) await authorizer.learn(answer, scopes, undefined);
      await answer.drain();
    } catch (error) {
      if (signal?.aborted === true) throw error;
    }
  };
  const ask = async <T>(
    call: Asked,
    scopes: readonly string[],
    consume: (answer: Answer) => Promise<T>,
  ): Promise<T> => {
    const late = timer(options.callMs ?? CALL_MS);
    try {
      return await Promise.race([late.passed, send(call, scopes, consume)]);
    } finally {
      late.stop();
    }
  };
  const send = async <T>(
    call: Asked,
    scopes: readonly string[],
    consume: (answer: Answer) => Promise<T>,
  ): Promise<T> => {
    learnt ??= learn(scopes);
    await learnt;
    // A publish that was cut off may have been stored: it is looked at again before it is repeated.
    const idempotent = call.method === 'GET' || call.method === 'DELETE';
    return exchange.request(
      { ...call, target: `${prefix}${call.target}`, scopes, idempotent },
      consume,
    );
  };
  const timer = (ms: number): { readonly passed: Promise<never>; stop(): void } => {
    const { promise, reject } = Promise.withResolvers<never>();
    const message = `${host} did not answer within ${Math.ceil(ms / 1000)} s`;
    const handle = setTimeout(
      () => reject(new CountersignError('UPSTREAM_UNAVAILABLE', message)),
      ms,
    );
    return { passed: promise, stop: () => clearTimeout(handle) };
  };
  const path = (repository: Repository, rest: string): string =>
    `/v2/${repository}/_trust/tuf/${rest}`;

  const readKey = async (
    repository: Repository,
    role: ServerRole,
    method: 'GET' | 'POST',
  ): Promise<TufKey> => {
    // An empty body is what docker sends with its POST; the right to rotate is that of everything.
    const scopes = scope(repository, method === 'GET' ? 'push,pull' : '*');
    return ask({ method, target: path(repository, `${role}.key`) }, scopes, async (answer) => {
      if (answer.status !== 200) throw await refused(answer, repository, `the ${role} key`);
      return parseServerKey(await answer.read(KEY_BYTES), host);
    });
  };
  const refused = async (
    answer: Answer,
    repository: Repository,
    what: string,
  ): Promise<CountersignError> => {
    if (answer.status !== 404 && answer.status !== 405) {
      return refusalOf(answer, `${what} of ${repository}`);
    }
    await answer.drain();
    return new CountersignError(
      'NO_TRUST_SERVICE',
      `${host} has no Notary service for ${repository}`,
    );
  };

  return {
    host,
    address,
    file: async (repository, name, maxBytes = LIMITS.trustMetadataBytes) =>
      ask(
        { method: 'GET', target: path(repository, `${name}.json`) },
        scope(repository, 'pull'),
        async (answer) => {
          if (answer.status === 200) return answer.read(maxBytes);
          if (answer.status !== 404 && answer.status !== 405) {
            throw await refusalOf(answer, `the trust data of ${repository}`);
          }
          await answer.drain();
          return null;
        },
      ),
    key: async (repository, role) => readKey(repository, role, 'GET'),
    rotateKey: async (repository, role) => readKey(repository, role, 'POST'),
    publish: async (repository, parts) => {
      const { contentType, bytes } = multipartOf(parts);
      return ask(
        {
          method: 'POST',
          target: path(repository, ''),
          headers: { 'content-type': contentType },
          body: bytes,
        },
        scope(repository, 'push,pull'),
        async (answer) => {
          if (answer.status === 200) {
            await answer.drain();
            return 'stored';
          }
          if (answer.status !== 400 && answer.status !== 500) {
            throw await refused(answer, repository, 'publishing trust data');
          }
          const error = parseNotaryError(await answer.read(ERROR_BYTES));
          if (isConflict(error)) return 'conflict';
          if (answer.status === 400) throw updateRefused(host, error);
          throw new CountersignError(
            'UPSTREAM_UNAVAILABLE',
            `${host} could not store the trust data (500): ${error.message}`,
          );
        },
      );
    },
    remove: async (repository) =>
      ask(
        { method: 'DELETE', target: path(repository, '') },
        scope(repository, '*'),
        async (answer) => {
          if (answer.status !== 200) throw await refused(answer, repository, 'deleting trust data');
          await answer.drain();
        },
      ),
    changes: async (repository, after) =>
      ask(
        {
          method: 'GET',
          target: `/v2/${repository === null ? '' : `${repository}/`}_trust/changefeed?records=${CHANGES}&change_id=${after}`,
        },
        repository === null ? ['registry:catalog:*'] : scope(repository, 'pull'),
        async (answer) => {
          if (answer.status === 200) return answer.read(CHANGES * 1024);
          if (answer.status !== 404) throw await refusalOf(answer, 'the changefeed');
          await answer.drain();
          return null;
        },
      ),
    close: () => transport.close(),
  };
}

/** Reads a server's public key (dct-protocol 1.4). Throws UPSTREAM_INVALID for one that could never verify anything. */
function parseServerKey(bytes: Uint8Array, host: string): TufKey {
  const parsed = parseJson(bytes, { maxBytes: KEY_BYTES });
  const { keytype, keyval } = parsed.ok && isObject(parsed.value) ? parsed.value : {};
  const publicHalf = isObject(keyval) ? keyval['public'] : undefined;
  const key =
    typeof keytype === 'string' && typeof publicHalf === 'string' && isObject(keyval)
      ? parseTufKey(tufKeyId(keytype, publicHalf), { keytype, keyval })
      : null;
  if (key !== null && unwrap(key).key !== null) return unwrap(key);
  throw new CountersignError(
    'UPSTREAM_INVALID',
    `expected a public key from ${host}, found none that is accepted`,
  );
}
