import { createPrivateKey, randomUUID, sign, X509Certificate } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { makeAuthority } from './certificates.ts';
import type { WireServer } from './wire-server.ts';
import { answerError, bodyOf, startWireServer } from './wire-server.ts';

/** A token server as docker's specification has it ("Token Authentication Specification"), with its OAuth2 form. */
export interface TokenServer {
  /** Its address, as a challenge names it. */
  readonly realm: string;
  readonly service: string;
  readonly issuer: string;
  /** What a registry trusts its tokens by (`rootcertbundle`), PEM. */
  readonly certificates: string;
  /** Each request: what it asked for, and who it said to be. */
  readonly asked: readonly TokenAsked[];
  /** True where a header carries a token of this server that is valid now and gives the action. */
  allows(authorization: string | undefined, repository: string, action: string): boolean;
  /** Every token given so far counts no more. */
  recall(): void;
  /** Changes the answers from now on; `null`: no more. */
  fault(fault: ((request: IncomingMessage, response: ServerResponse) => boolean) | null): void;
  stop(): Promise<void>;
}

/** One request for a token. */
export interface TokenAsked {
  readonly method: string;
  /** The name that logged in; `null` for nobody. */
  readonly who: string | null;
  readonly service: string | null;
  readonly scopes: readonly string[];
}

interface Given {
  readonly access: readonly Access[];
  readonly ends: number;
}
interface Access {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

/**
 * Starts one on loopback. `users` may do everything, nobody in particular may pull. Tokens live for
 * `seconds` and are signed with ES256; `opaque` ones say nothing of themselves.
 */
export async function startTokenServer(options: {
  readonly users: Readonly<Record<string, string>>;
  readonly seconds?: number;
  readonly opaque?: boolean;
}): Promise<TokenServer> {
  const { users, seconds = 300 } = options;
  const service = 'registry.test';
  const issuer = 'token server';
  const authority = makeAuthority();
  const given = new Map<string, Given>();
  const asked: TokenAsked[] = [];
  let fault: Parameters<TokenServer['fault']>[0] = null;

  const give = (who: string | null, scopes: readonly string[], response: ServerResponse): void => {
    const access = scopes.flatMap((scope) => parseScope(scope, who !== null) ?? []);
    const now = Math.floor(Date.now() / 1000);
    const token = options.opaque
      ? randomUUID()
      : jwt(authority.server, {
          iss: issuer,
          sub: who ?? '',
          aud: service,
          exp: now + seconds,
          nbf: now - 10,
          iat: now,
          jti: randomUUID(),
          access,
        });
    given.set(token, { access, ends: Date.now() + seconds * 1000 });
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ token, access_token: token, expires_in: seconds }));
  };

  const wire: WireServer = await startWireServer(async (request, response) => {
    if (fault?.(request, response) === true) return;
    const { query, login, method } = await readRequest(request);
    const [name, password] = login ?? [null, ''];
    const scopes = query.getAll('scope').flatMap((scope) => scope.split(' '));
    asked.push({ method, who: name, service: query.get('service'), scopes });
    if (name !== null && users[name] !== password)
      return answerError(response, 401, 'UNAUTHORIZED', 'wrong password');
    give(name, scopes.filter(Boolean), response);
  });
  return {
    realm: `${wire.url}/token`,
    service,
    issuer,
    certificates: `${authority.ca}\n${authority.server.cert}`,
    asked,
    allows: (authorization, repository, action) => {
      const one = given.get(authorization?.replace(/^Bearer /, '') ?? '');
      return (
        one !== undefined &&
        one.ends > Date.now() &&
        one.access.some((a) => a.name === repository && a.actions.includes(action))
      );
    },
    recall: () => given.clear(),
    fault: (next) => {
      fault = next;
    },
    stop: () => wire.stop(),
  };
}

async function readRequest(request: IncomingMessage): Promise<{
  readonly method: string;
  readonly query: URLSearchParams;
  readonly login: readonly [string, string] | null;
}> {
  const method = request.method ?? '';
  if (method === 'POST') {
    const query = new URLSearchParams((await bodyOf(request)).toString());
    const [name, password] = [query.get('username'), query.get('password')];
    return { method, query, login: name === null ? null : [name, password ?? ''] };
  }
  const query = new URL(request.url ?? '', 'http://localhost').searchParams;
  const basic = /^Basic (.+)$/.exec(request.headers.authorization ?? '')?.[1];
  if (basic === undefined) return { method, query, login: null };
  const [name = '', ...rest] = Buffer.from(basic, 'base64').toString().split(':');
  return { method, query, login: [name, rest.join(':')] };
}

function parseScope(scope: string, all: boolean): Access | undefined {
  const [, type = '', name = '', list = ''] = /^([^:]+):(.+):([^:]*)$/.exec(scope) ?? [];
  if (type === '') return undefined;
  const actions = list.split(',').filter((action) => all || action === 'pull');
  return { type, name, actions };
}

/** A JSON web token (RFC 7519) by ES256, with the certificate of its key, as docker-registry wants it. */
function jwt(by: { readonly cert: string; readonly key: string }, claims: object): string {
  const x5c = [new X509Certificate(by.cert).raw.toString('base64')];
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part({ typ: 'JWT', alg: 'ES256', x5c })}.${part(claims)}`;
  const key = { key: createPrivateKey(by.key), dsaEncoding: 'ieee-p1363' } as const;
  return `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`;
}
