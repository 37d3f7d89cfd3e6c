import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import fastify from 'fastify';
import type { FastifyError, FastifyInstance } from 'fastify';
import type { Refused } from '../gate/outcome.ts';
import { refused, refusedByFailure } from '../gate/outcome.ts';
import { sendRefusal } from './answer.ts';
import { dropBody, factsOf, identify, registryFor } from './exchange.ts';
import { isNotaryPath } from './notary-path.ts';
import type { HttpPorts } from './ports.ts';
import { parseRegistryPath } from './registry-path.ts';
import { admissionRoutes } from './routes/admission.ts';
import { apiRoutes } from './routes/api.ts';
import { handleNotary } from './routes/notary.ts';
import { operationRoutes } from './routes/operation.ts';
import { handleRegistry } from './routes/registry.ts';
import { refuse } from './routes/registry-request.ts';
import { tokenRoutes } from './routes/token.ts';

/**
 * Builds the HTTP application on a server that the caller listens with: `/v2/` goes to the gate, or to
 * the Notary v1 service, with its raw path and body, the rest are ordinary routes. Resolves when it can take requests.
 */
export async function createHttpApp(ports: HttpPorts, server: Server): Promise<FastifyInstance> {
  const app = fastify({
    // The registry's paths and the trust server's take no part of the framework: they are most of the
    // requests, and have their own parsers for raw paths and bodies that are streams.
    serverFactory: (handler) =>
      server.on('request', (request: IncomingMessage, response: ServerResponse) => {
        if (request.url?.startsWith('/v2/') === true) void gateRequest(ports, request, response);
        else handler(request, response);
      }),
    // Our own line per request, below; and no header of a client becomes anything of ours.
    logger: false,
    trustProxy: false,
    exposeHeadRoutes: false,
    bodyLimit: 64 * 1024,
    routerOptions: { maxParamLength: 512, ignoreTrailingSlash: false },
    frameworkErrors: (_error, request, reply) => {
      void reply.hijack();
      sendRefusal(
        reply.raw,
        refused('PATH_INVALID', 'expected a path in its one canonical spelling'),
      );
      factsOf(request.raw).code = 'PATH_INVALID';
    },
  });
  server.prependListener('request', (request: IncomingMessage, response: ServerResponse) =>
    logRequest(ports, request, response),
  );
  // Without this node asks every client for its body that waits to be asked, refused or not.
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    if (request.url?.startsWith('/v2/') !== true) response.writeContinue();
    server.emit('request', request, response);
  });
  for (const method of ['PROPFIND', 'SEARCH']) app.addHttpMethod(method);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
  // What the framework itself refuses, a body over its bound above all, is told as everything is.
  app.setErrorHandler((error: FastifyError, request, reply) => {
    reply.hijack();
    const refusal = refusedByFramework(error);
    if (refusal.code === 'INTERNAL') ports.log.error({ error }, 'request failed');
    refuse({ request: request.raw, response: reply.raw, facts: factsOf(request.raw) }, refusal);
  });
  await app.register(operationRoutes(ports));
  await app.register(apiRoutes(ports));
  await app.register(admissionRoutes(ports));
  await app.register(tokenRoutes(ports));
  app.setNotFoundHandler((request, reply) => {
    reply.hijack();
    factsOf(request.raw).code = 'NOT_FOUND';
    dropBody(request.raw, reply.raw);
    sendRefusal(
      reply.raw,
      refused('NOT_FOUND', 'there is nothing at this path; the registry is at /v2/'),
    );
  });
  await app.ready();
  return app;
}

function refusedByFramework(error: FastifyError): Refused {
  const status = error.statusCode ?? 500;
  if (status === 413) return refused('TOO_LARGE', 'expected a smaller request body');
  if (status >= 400 && status < 500)
    return refused('REQUEST_INVALID', 'expected a request with a valid type, length and body');
  return refusedByFailure(error);
}

async function gateRequest(
  ports: HttpPorts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const mine = factsOf(request);
  mine.route = 'v2';
  const at = { request, response, facts: mine };
  try {
    const url = request.url ?? '';
    const mark = url.indexOf('?');
    const path = mark < 0 ? url : url.slice(0, mark);
    const query = mark < 0 ? '' : url.slice(mark + 1);
    if (isNotaryPath(path)) return await handleNotary(ports, at, path, query);
    const route = parseRegistryPath(path);
    if (!route.ok) return refuse(at, refused(route.refusal.code, route.refusal.message));
    mine.route = route.value.kind;
    const registry = registryFor(ports, request);
    if ('kind' in registry) return refuse(at, registry);
    const caller = await identify(ports, request);
    if ('kind' in caller) return refuse(at, caller);
    mine.identity = caller.name;
    await handleRegistry(ports, { ...at, registry, caller, route: route.value, query });
  } catch (error) {
    // A client that went away is no failure of ours; its request line says "aborted".
    if (response.destroyed) return;
    ports.log.error({ error, route: mine.route }, 'request failed');
    if (response.headersSent) response.destroy();
    else refuse(at, refusedByFailure(error));
  }
}

/** What log lines and metrics say of a request whose client went away before any answer, as nginx does. */
const CLIENT_GONE = 499;

/** One structured line and one count per request, when its answer is out or its connection gone. */
function logRequest(ports: HttpPorts, request: IncomingMessage, response: ServerResponse): void {
  const started = performance.now();
  // Node takes the socket away from a request whose body was streamed on.
  const from = request.socket.remoteAddress;
  response.once('close', () => {
    const seconds = (performance.now() - started) / 1000;
    const mine = factsOf(request);
    const method = request.method ?? '';
    const status = response.headersSent ? response.statusCode : CLIENT_GONE;
    ports.counters.request(mine.route, method, status, seconds);
    if (mine.code !== undefined) ports.counters.refusal(mine.code);
    ports.log.info(
      {
        method,
        path: (request.url ?? '').split('?', 1)[0]?.slice(0, 512),
        status,
        ms: Math.round(seconds * 1e5) / 100,
        from,
        ...mine,
        ...(response.writableFinished ? {} : { aborted: true }),
      },
      'request',
    );
  });
}
