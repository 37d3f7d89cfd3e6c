import { LRUCache } from 'lru-cache';
import { CountersignError } from '../../lib/errors.ts';
import { quote } from '../../lib/quote.ts';
import { SingleFlight } from '../../lib/single-flight.ts';
import { basicAuthorization, parseTokenAnswer } from '../../oci/authorization.ts';
import { parseChallenges } from '../../oci/challenge.ts';
import { tokenExpiry } from '../access/caller.ts';
import { unavailable } from './answer.ts';
import type { Relayed, TokenServer, UpstreamOptions } from './upstream.ts';

interface Token {
  readonly header: string;
  readonly expires: number;
}

/** A life that is longer than an hour is none of a token's. */
const MOST_SECONDS = 3600;
/** Renewed so long before its end, but after three quarters of its life at most. */
const MARGIN_MS = 10_000;
const SCOPE = /^[a-z]+(?:\([a-z]+\))?:[A-Za-z0-9._\-/:]+:[a-z*,]+$/;

/**
 * The gate's own bearer tokens for one registry, anonymous ones where it has no credentials. Asked
 * for at the configured realm only, whatever a challenge says (T-71), one request for all who need
 * the same scopes, kept until shortly before they end.
 */
export class OwnTokens {
  readonly #server: TokenServer;
  readonly #authorization: string | null;
  readonly #account: string | undefined;
  readonly #tokens = new LRUCache<string, Token>({ max: 2_000 });
  readonly #flights = new SingleFlight<Token>();
  /** Set once upstream has asked for tokens; `undefined` inside where it named no service. */
  #challenge: { readonly service: string | undefined } | null = null;

  constructor(server: TokenServer, credentials: UpstreamOptions['credentials']) {
    this.#server = server;
    this.#account = credentials?.username;
    this.#authorization = credentials === undefined ? null : basicAuthorization(credentials);
  }

  /** True once upstream has said how it wants its tokens. */
  get asked(): boolean {
    return this.#challenge !== null;
  }

  /** The Authorization header for these scopes; `null` until upstream has asked for one. Throws UPSTREAM_UNAVAILABLE. */
  async header(scopes: readonly string[]): Promise<string | null> {
    return this.#challenge === null ? null : this.#token(scopes, scopes);
  }

  /**
   * Learns from the challenge of a 401 to a request with these scopes, which carried `sent`. Returns a
   * header that is worth another try, or `null`. Throws UPSTREAM_INVALID where it names another realm.
   */
  async learn(
    header: string,
    scopes: readonly string[],
    sent: string | null,
  ): Promise<string | null> {
    const bearer = parseChallenges(header).find(({ scheme }) => scheme === 'bearer');
    if (bearer === undefined) return null;
    const { realm = '', service, scope = '' } = bearer.parameters;
    if (!this.#server.is(realm)) throw otherRealm(realm);
    this.#challenge = { service };
    const key = keyOf(scopes);
    // One that others have renewed meanwhile is not thrown away with the one that was refused.
    if (this.#tokens.get(key)?.header === sent) this.#tokens.delete(key);
    const asked = scope.length <= 1024 ? scope.split(' ').filter((one) => SCOPE.test(one)) : [];
    const next = await this.#token(scopes, asked.length > 0 ? asked : scopes);
    return next === sent ? null : next;
  }

  async #token(scopes: readonly string[], wanted: readonly string[]): Promise<string> {
    const key = keyOf(scopes);
    const known = this.#tokens.get(key);
    if (known !== undefined && known.expires > Date.now()) return known.header;
    const fresh = await this.#flights.run(key, () => this.#fetch(wanted));
    this.#tokens.set(key, fresh);
    return fresh.header;
  }

  async #fetch(scopes: readonly string[]): Promise<Token> {
    const query = new URLSearchParams();
    if (this.#challenge?.service !== undefined) query.set('service', this.#challenge.service);
    if (this.#account !== undefined) query.set('account', this.#account);
    for (const scope of scopes) query.append('scope', scope);
    const answer = await this.#server.ask({
      method: 'GET',
      query: query.toString(),
      authorization: this.#authorization,
    });
    if (answer.status !== 200) {
      const who = this.#authorization === null ? 'nobody' : 'the gate with its credentials';
      throw unavailable(`the token server answered ${answer.status} to ${who}`);
    }
    return readToken(answer);
  }
}

// No scope holds a line end.
const keyOf = (scopes: readonly string[]): string => scopes.toSorted().join('\n');

/** The error for a challenge with a realm that is not the configured one: nothing is sent there (T-71). */
export function otherRealm(realm: string): CountersignError {
  return new CountersignError(
    'UPSTREAM_INVALID',
    'the registry behind the gate names another token server than the configured one',
    {
      detail: `found realm ${quote(realm, 200)}; if that is right, set it as realm`,
    },
  );
}

function readToken({ body }: Relayed): Token {
  const token = parseTokenAnswer(body);
  if (token === null) throw unavailable('the token server answered something else than a token');
  const { header, seconds } = token;
  const now = Date.now();
  const life = 1000 * Math.min(seconds, MOST_SECONDS);
  const end = Math.min(now + life, tokenExpiry(header) ?? Number.POSITIVE_INFINITY);
  return { header, expires: end - Math.min(MARGIN_MS, (end - now) / 4) };
}
