import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { refused, refusedByFailure } from '../../gate/outcome.ts';
import { Survey } from '../../gate/decisions/survey.ts';
import type { JsonObject } from '../../lib/json.ts';
import { isObject, parseJson } from '../../lib/json.ts';
import { LIMITS } from '../../lib/limits.ts';
import { essence } from '../../oci/manifest.ts';
import { sendRefusal, sendRelayed } from '../answer.ts';
import { ownChallenge } from '../challenge.ts';
import { CHALLENGE, dropBody, factsOf, identify, originOf, registryFor } from '../exchange.ts';
import type { HttpPorts } from '../ports.ts';
import type { ApiAnswer, ApiRequest } from './api-request.ts';
import { decisions } from './decisions.ts';
import { history } from './history.ts';
import { endHold, heldManifest, holds } from './holds.ts';
import { openApi } from './openapi.ts';
import { repositories, resetRoot } from './repositories.ts';
import { listRevocations, revocations } from './revocations.ts';
import { scans } from './scans.ts';

type Handler = (request: ApiRequest) => Promise<ApiAnswer>;

/** The decision, hold, revocation, history and repository API. */
export function apiRoutes(ports: HttpPorts): FastifyPluginAsync {
  return async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser(
      '*',
      { parseAs: 'buffer', bodyLimit: LIMITS.apiBodyBytes },
      (_request, body, done) => done(null, body),
    );
    const on = (method: 'GET' | 'POST' | 'DELETE', url: string, handler: Handler): void => {
      app.route({
        method,
        url,
        handler: (request, reply) => handle(ports, request, reply, handler),
      });
    };
    on('POST', '/api/v1/decisions', decisions(new Survey(ports.gate)));
    on('GET', '/api/v1/holds', holds);
    on('DELETE', '/api/v1/holds/:id', endHold);
    on('GET', '/api/v1/holds/:id/manifest', heldManifest);
    on('GET', '/api/v1/revocations', listRevocations);
    on('POST', '/api/v1/revocations', revocations);
    on('GET', '/api/v1/history', history);
    on('POST', '/api/v1/scans', scans);
    on('GET', '/api/v1/repositories', repositories);
    on('POST', '/api/v1/roots/reset', resetRoot);
    on('GET', '/api/v1/openapi.json', async ({ registry }) => ({
      kind: 'json',
      body: openApi(registry.host),
    }));
  };
}

async function handle(
  ports: HttpPorts,
  request: FastifyRequest,
  reply: FastifyReply,
  handler: Handler,
): Promise<void> {
  const facts = factsOf(request.raw);
  facts.route = 'api';
  reply.hijack();
  const answer = await answered(ports, request, handler).catch((error: unknown): ApiAnswer => {
    ports.log.error({ error }, 'API request failed');
    return refusedByFailure(error);
  });
  dropBody(request.raw, reply.raw);
  switch (answer.kind) {
    case 'refused':
      facts.code = answer.code;
      sendRefusal(reply.raw, answer, answer.code === 'UNAUTHENTICATED' ? CHALLENGE : {});
      return;
    case 'relay':
      sendRelayed(reply.raw, answer);
      return;
    case 'json':
      send(reply, 'application/json', Buffer.from(`${JSON.stringify(answer.body)}\n`));
      return;
    case 'bytes':
      send(reply, answer.contentType, answer.body);
      return;
  }
}

function send(reply: FastifyReply, contentType: string, body: Uint8Array): void {
  reply.raw.writeHead(200, {
    'content-type': contentType,
    'content-length': body.byteLength,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  reply.raw.end(body);
}

async function answered(
  ports: HttpPorts,
  request: FastifyRequest,
  handler: Handler,
): Promise<ApiAnswer> {
  const registry = registryFor(ports, request.raw);
  if ('kind' in registry) return registry;
  const caller = await identify(ports, request.raw);
  if ('kind' in caller) return caller;
  factsOf(request.raw).identity = caller.name;
  if (ports.identities !== null && !caller.authenticated)
    return refused('UNAUTHENTICATED', 'this needs an identity: log in first');
  if (ports.identities === null && !caller.loopback) {
    return refused(
      'FORBIDDEN',
      'without configured identities the API answers this machine only; configure identities',
    );
  }
  let body: JsonObject = {};
  if (request.method === 'POST') {
    // A page of another origin can make a browser send any other type without asking first (CSRF): on
    // the administrator's machine it would speak with an administrator's rights.
    if (essence(request.headers['content-type'] ?? '') !== 'application/json')
      return refused('REQUEST_INVALID', 'expected Content-Type: application/json');
    const parsed = parseJson(request.body instanceof Buffer ? request.body : Buffer.alloc(0), {
      maxBytes: LIMITS.apiBodyBytes,
    });
    if (!parsed.ok || !isObject(parsed.value)) {
      return refused(
        'REQUEST_INVALID',
        `expected a JSON object; ${parsed.ok ? 'found something else' : parsed.refusal.message}`,
      );
    }
    body = parsed.value;
  }
  const query = Object.fromEntries(
    Object.entries((request.query ?? {}) as Record<string, unknown>).map(([k, v]) => [
      k,
      String(v),
    ]),
  );
  const answer = await handler({
    ports,
    caller,
    registry,
    query,
    params: (request.params ?? {}) as Record<string, string>,
    body,
  });
  if (answer.kind !== 'relay') return answer;
  return { ...answer, headers: ownChallenge(answer.headers, registry, originOf(request.raw)) };
}
