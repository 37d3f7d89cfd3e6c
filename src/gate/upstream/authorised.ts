import type { Dispatcher } from 'undici';
import { basicAuthorization } from '../../oci/authorization.ts';
import type { Caller } from '../access/caller.ts';
import { header } from './answer.ts';
import { gateRefused, noAnswer } from './failure.ts';
import { OwnTokens } from './own-tokens.ts';
import { scopesOf } from './scopes.ts';
import { openTokenServer } from './token-server.ts';
import type { Sender } from './uploads.ts';
import type { TokenServer, UpstreamOptions, UpstreamRequest } from './upstream.ts';

const PROBE_TIMEOUT = 30_000;

/** A request, and the connections that it goes over: always those to upstream's own origin. */
export type PooledRequest = UpstreamRequest & { readonly pool: Sender };

/**
 * Sends requests to one registry with what authorises them: the caller's own header where it is passed
 * on, the gate's password, or tokens that the gate gets itself. None of them ever goes elsewhere.
 */
export class Authorised {
  /** Where clients ask for tokens by way of the gate: only where their own credentials are passed on. */
  readonly tokenServer: TokenServer | null;
  readonly #host: string;
  readonly #passCredentials: boolean;
  readonly #basic: string | null;
  readonly #tokens: OwnTokens | null;
  readonly #close: () => Promise<void>;

  constructor({ origin, passCredentials, credentials: c, realm }: UpstreamOptions) {
    this.#host = new URL(origin).host;
    this.#passCredentials = passCredentials;
    const server = realm === undefined ? null : openTokenServer(realm);
    this.tokenServer = passCredentials ? server : null;
    this.#tokens = server === null || passCredentials ? null : new OwnTokens(server, c);
    this.#basic = c === undefined || server !== null ? null : basicAuthorization(c);
    this.#close = async () => server?.close();
  }

  /**
   * Sends a request; a token of the gate that was refused is renewed once. A 401 is given back only
   * where it is meant for the client. Throws UPSTREAM_UNAVAILABLE for any other, and where no answer came.
   */
  async send(request: PooledRequest, caller: Caller): Promise<Dispatcher.ResponseData> {
    const tokens = this.#tokens;
    if (tokens !== null) return this.#withTokens(tokens, request);
    const own = this.#basic ?? (this.#passCredentials ? caller.authorization : null);
    const response = await this.#send(request, own);
    if (response.statusCode !== 401 || this.#passCredentials) return response;
    await response.body.dump();
    throw gateRefused(response, false);
  }

  /** The header that requests of this caller bear, `null` for none; `undefined` where tokens have to be asked for. */
  fixed(caller: Caller): string | null | undefined {
    if (this.#tokens !== null) return undefined;
    return this.#basic ?? (this.#passCredentials ? caller.authorization : null);
  }

  /** Drops the connections to the token server. */
  async close(): Promise<void> {
    await this.#close();
  }

  async #withTokens(tokens: OwnTokens, request: PooledRequest): Promise<Dispatcher.ResponseData> {
    const streams = request.body !== undefined && !(request.body instanceof Uint8Array);
    // What streams cannot be sent twice, so the challenge must be known before.
    if (streams && !tokens.asked) await this.#askForChallenge(tokens, request.pool);
    const scopes = scopesOf(request.method, request.path);
    const sent = await tokens.header(scopes);
    let response = await this.#send(request, sent);
    if (response.statusCode !== 401) return response;
    const next = await learn(tokens, response, scopes, sent);
    if (next !== null && !streams) {
      response = await this.#send(request, next);
      if (response.statusCode !== 401) return response;
      await response.body.dump();
    }
    throw gateRefused(response, true);
  }

  async #askForChallenge(tokens: OwnTokens, pool: Sender): Promise<void> {
    const signal = AbortSignal.timeout(PROBE_TIMEOUT);
    const probe: PooledRequest = { pool, method: 'GET', path: '/v2/', headers: {}, signal };
    const response = await this.#send(probe, null);
    if (response.statusCode === 401) await learn(tokens, response, [], null);
    else await response.body.dump();
  }

  async #send(
    request: PooledRequest,
    authorization: string | null,
  ): Promise<Dispatcher.ResponseData> {
    try {
      return await request.pool.request({
        method: request.method as Dispatcher.HttpMethod,
        path: request.path,
        headers: { ...request.headers, ...(authorization === null ? {} : { authorization }) },
        body: request.body ?? null,
        signal: request.signal ?? null,
        ...(request.headersTimeout === undefined ? {} : { headersTimeout: request.headersTimeout }),
      });
    } catch (error) {
      throw noAnswer(error, this.#host);
    }
  }
}

async function learn(
  tokens: OwnTokens,
  response: Dispatcher.ResponseData,
  scopes: readonly string[],
  sent: string | null,
): Promise<string | null> {
  await response.body.dump();
  return tokens.learn(header(response, 'www-authenticate') ?? '', scopes, sent);
}
