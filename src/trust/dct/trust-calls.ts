import { CountersignError } from '../../lib/errors.ts';
import type { Answer } from '../../oci/answer.ts';
import { openConnection } from '../../oci/connection.ts';
import type { CredentialSource } from '../../oci/credentials.ts';
import type { Call, Retry } from '../../oci/exchange.ts';
import type { Repository } from '../../oci/reference.ts';
import { refusalOf } from '../../oci/refusal.ts';
import type { TlsLookup } from '../../oci/tls.ts';
import type { TrustServerAddress } from './server-address.ts';

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

/** One request to a trust server. */
type Asked = Pick<Call, 'method' | 'headers' | 'body'> & { readonly target: string };

/** Requests to a trust server, with docker's habits of logging in, each within a bounded time. */
export interface TrustCalls {
  /** As messages name it. */
  readonly host: string;
  /** Sends one with these scopes. Throws what the exchange throws, and UPSTREAM_UNAVAILABLE where it takes too long. */
  ask<T>(
    call: Asked,
    scopes: readonly string[],
    consume: (answer: Answer) => Promise<T>,
  ): Promise<T>;
  /** The error for an answer that is none: NO_TRUST_SERVICE for 404 and 405, else the server's own. */
  refused(answer: Answer, repository: Repository, what: string): Promise<CountersignError>;
  close(): Promise<void>;
}

/** Idle time alone bounds nothing: a server that sends a byte a minute would keep a job for ever. */
const CALL_MS = 10 * 60_000;

/** What a token is asked for, for actions in a repository. */
export const scope = (repository: Repository, actions: string): string[] => [
  `repository:${repository}:${actions}`,
];

/** The path of a repository's trust data. */
export const trustPath = (repository: Repository, rest: string): string =>
  `/v2/${repository}/_trust/tuf/${rest}`;

/** Opens the way to a trust server; nothing is sent before the first call. */
export function openTrustCalls(options: TrustServerOptions): TrustCalls {
  const { registryHost, address, signal } = options;
  const origin = address.url === null ? undefined : new URL(address.url.origin);
  const connection = openConnection({ ...options, host: registryHost, origin });
  const host = address.url?.host ?? registryHost;
  const prefix = (address.url?.pathname ?? '').replace(/\/+$/, '');

  // docker learns the challenge here, before every command: the paths of the trust data may be served
  // by somebody who has none. What goes wrong with it goes wrong again with what is asked for.
  let learnt: Promise<void> | undefined;
  const learn = async (scopes: readonly string[]): Promise<void> => {
    try {
      const url = new URL(`${prefix}/v2/`, await connection.origin());
      const answer = await connection.transport.send({ method: 'GET', url, signal });
      if (answer.status === 401) await connection.authorizer.learn(answer, scopes, undefined);
      await answer.drain();
    } catch (error) {
      if (signal?.aborted === true) throw error;
    }
  };
  const send: TrustCalls['ask'] = async (call, scopes, consume) => {
    learnt ??= learn(scopes);
    await learnt;
    // A publish that was cut off may have been stored: it is looked at again before it is repeated.
    const idempotent = call.method === 'GET' || call.method === 'DELETE';
    const whole = { ...call, target: `${prefix}${call.target}`, scopes, idempotent };
    return connection.exchange.request(whole, consume);
  };
  return {
    host,
    async ask(call, scopes, consume) {
      const late = timer(host, options.callMs ?? CALL_MS);
      try {
        return await Promise.race([late.passed, send(call, scopes, consume)]);
      } finally {
        late.stop();
      }
    },
    async refused(answer, repository, what) {
      if (answer.status !== 404 && answer.status !== 405) {
        return refusalOf(answer, `${what} of ${repository}`);
      }
      await answer.drain();
      const message = `${host} has no Notary service for ${repository}`;
      return new CountersignError('NO_TRUST_SERVICE', message);
    },
    close: () => connection.close(),
  };
}

function timer(host: string, ms: number): { readonly passed: Promise<never>; stop(): void } {
  const { promise, reject } = Promise.withResolvers<never>();
  const message = `${host} did not answer within ${Math.ceil(ms / 1000)} s`;
  const handle = setTimeout(
    () => reject(new CountersignError('UPSTREAM_UNAVAILABLE', message)),
    ms,
  );
  return { passed: promise, stop: () => clearTimeout(handle) };
}
