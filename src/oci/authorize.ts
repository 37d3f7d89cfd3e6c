import { CountersignError } from '../lib/errors.ts';
import { unwrap } from '../lib/result.ts';
import type { Answer } from './answer.ts';
import { basicAuthorization, parseTokenAnswer, TOKEN_ANSWER_BYTES } from './authorization.ts';
import type { Challenge } from './challenge.ts';
import { parseChallenges } from './challenge.ts';
import type { Credential, CredentialSource } from './credentials.ts';
import { acceptRealm } from './realm.ts';
import { refusalOf } from './refusal.ts';
import type { Transport } from './transport.ts';

/** Answers a registry's challenges, and remembers tokens per scope. One per registry host. */
export interface Authorizer {
  /** The Authorization header for these scopes, as far as the registry has said what it wants. */
  header(scopes: readonly string[]): Promise<string | undefined>;
  /**
   * Learns from a 401. True where the request is worth repeating: something is known now that the
   * request did not carry (`sent`).
   */
  learn(answer: Answer, scopes: readonly string[], sent: string | undefined): Promise<boolean>;
}

interface Token {
  readonly header: string;
  readonly expires: number;
}

/** A margin for clocks and for the way there. */
const MARGIN_MS = 5000;
const CLIENT_ID = 'countersign';

/** Makes the authorizer of one registry; credentials are looked up by the registry's exact host and for no other. */
export function createAuthorizer(options: {
  readonly host: string;
  readonly credentials: CredentialSource;
  readonly allowedRealms: readonly string[];
  readonly transport: Transport;
  /** Where the registry itself is reached. */
  readonly origin: () => Promise<URL>;
  readonly signal?: AbortSignal | undefined;
}): Authorizer {
  const { host, transport, signal } = options;
  const tokens = new Map<string, Promise<Token>>();
  let challenge: Challenge | undefined;
  let credential: Promise<Credential | null> | undefined;
  const login = (): Promise<Credential | null> => (credential ??= options.credentials(host));

  const fetchToken = async (wanted: Challenge, scopes: readonly string[]): Promise<Token> => {
    const { realm, service } = wanted.parameters;
    const url = unwrap(
      acceptRealm(realm ?? '', { host, origin: await options.origin() }, options.allowedRealms),
    );
    const known = await login();
    // Where we ask for nothing in particular (the API), what the registry asked for is what it needs.
    const scope = scopes.length > 0 ? scopes : [wanted.parameters['scope'] ?? ''].filter(Boolean);
    const answer =
      known?.kind === 'identity-token'
        ? await transport.send({
            method: 'POST',
            url,
            headers: { 'content-type': 'application/x-www-form-urlencoded' },
            body: Buffer.from(
              new URLSearchParams({
                grant_type: 'refresh_token',
                client_id: CLIENT_ID,
                refresh_token: known.token,
                ...(service === undefined ? {} : { service }),
                scope: scope.join(' '),
              }).toString(),
            ),
            signal,
          })
        : await transport.send({
            method: 'GET',
            url: tokenUrl(url, service, scope, known?.username),
            headers: known === null ? {} : { authorization: basicAuthorization(known) },
            signal,
          });
    if (answer.status !== 200) throw await refusalOf(answer, `a token for ${host}`);
    return readToken(await answer.read(TOKEN_ANSWER_BYTES), host);
  };

  const tokenFor = async (wanted: Challenge, scopes: readonly string[]): Promise<string> => {
    const key = scopes.toSorted().join(' ');
    const cached = tokens.get(key);
    if (cached !== undefined) {
      const token = await cached;
      if (token.expires > Date.now()) return token.header;
    }
    // Those who ask meanwhile share the one request; a failure is not remembered.
    const fetching = fetchToken(wanted, scopes);
    tokens.set(key, fetching);
    fetching.catch(() => tokens.delete(key));
    return (await fetching).header;
  };

  const header = async (scopes: readonly string[]): Promise<string | undefined> => {
    if (challenge === undefined) return undefined;
    if (challenge.scheme === 'bearer') return tokenFor(challenge, scopes);
    const known = await login();
    return known?.kind === 'password' ? basicAuthorization(known) : undefined;
  };

  return {
    header,
    async learn(answer, scopes, sent) {
      const offers = parseChallenges(answer.header('www-authenticate') ?? '');
      const offered =
        offers.find(({ scheme }) => scheme === 'bearer') ??
        offers.find(({ scheme }) => scheme === 'basic');
      if (offered === undefined) return false;
      challenge = offered;
      if (sent !== undefined) tokens.delete(scopes.toSorted().join(' '));
      const now = await header(scopes);
      return now !== undefined && now !== sent;
    },
  };
}

function tokenUrl(
  realm: URL,
  service: string | undefined,
  scopes: readonly string[],
  account: string | undefined,
): URL {
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set('service', service);
  if (account !== undefined) url.searchParams.set('account', account);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  return url;
}

function readToken(bytes: Uint8Array, host: string): Token {
  const token = parseTokenAnswer(bytes);
  if (token === null) {
    throw new CountersignError(
      'UPSTREAM_INVALID',
      `expected a token from the token server of ${host}, found something else`,
    );
  }
  return { header: token.header, expires: Date.now() + token.seconds * 1000 - MARGIN_MS };
}
