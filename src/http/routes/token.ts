import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyPluginAsync } from 'fastify';
import { refused, refusedByFailure } from '../../gate/outcome.ts';
import { sendRelayed } from '../answer.ts';
import { TOKEN_PATH } from '../challenge.ts';
import { factsOf, readBody, registryFor } from '../exchange.ts';
import type { HttpPorts } from '../ports.ts';
import { refuse } from './registry-request.ts';

const QUERY_CHARS = 8192;
const FORM_BYTES = 64 * 1024;

/**
 * Relays requests for tokens to the token server of the registry that the Host header names, and to
 * nowhere else (registry-gate 3.1): query, Authorization and form as they are, never logged. Where a
 * registry has none, there is nothing here.
 */
export function tokenRoutes(ports: HttpPorts): FastifyPluginAsync {
  return async (app) => {
    app.route({
      method: ['GET', 'POST'],
      url: TOKEN_PATH,
      onRequest: async (request, reply) => {
        reply.hijack();
        factsOf(request.raw).route = 'token';
        try {
          await relayToken(ports, request.raw, reply.raw);
        } catch (error) {
          if (reply.raw.destroyed) return;
          ports.log.error({ error, route: 'token' }, 'request failed');
          refuse(exchangeOf(request.raw, reply.raw), refusedByFailure(error));
        }
      },
      handler: () => undefined,
    });
  };
}

async function relayToken(
  ports: HttpPorts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const at = exchangeOf(request, response);
  const registry = registryFor(ports, request);
  if ('kind' in registry) return refuse(at, registry);
  const server = registry.upstream.tokenServer;
  if (server === null)
    return refuse(at, refused('NOT_FOUND', 'this registry has no tokens to give here'));
  const target = request.url ?? '';
  const mark = target.indexOf('?');
  const query = mark < 0 ? '' : target.slice(mark + 1);
  if (query.length > QUERY_CHARS)
    return refuse(at, refused('REQUEST_INVALID', 'expected a shorter query'));
  const post = request.method === 'POST';
  const body = post ? await readBody(request, FORM_BYTES) : undefined;
  if (body === null) return refuse(at, refused('TOO_LARGE', 'expected a smaller request body'));
  const answer = await server.ask({
    method: post ? 'POST' : 'GET',
    query,
    authorization: request.headers.authorization ?? null,
    ...(body === undefined ? {} : { body }),
  });
  // Its challenge would be for a login of its own name; docker and others act on the status alone.
  const { 'www-authenticate': _, ...headers } = answer.headers;
  sendRelayed(response, { ...answer, headers: { ...headers, 'cache-control': 'no-store' } });
}

const exchangeOf = (request: IncomingMessage, response: ServerResponse) => ({
  request,
  response,
  facts: factsOf(request),
});
