import type { FastifyPluginAsync } from 'fastify';
import { factsOf } from '../exchange.ts';
import type { HttpPorts } from '../ports.ts';

/** Probes and metrics: any Host, no identity, nothing about images or people. */
export function operationRoutes(ports: HttpPorts): FastifyPluginAsync {
  return async (app) => {
    app.addHook('onRequest', async (request) => {
      factsOf(request.raw).route = 'operation';
    });
    app.get('/healthz', async () => ({ status: 'ok', version: ports.version }));
    app.get('/readyz', async (_request, reply) => {
      const { ready, body } = await ports.readiness();
      return reply.code(ready ? 200 : 503).send(body);
    });
    // Notary's own health check (dct-protocol 1, row 11).
    app.get('/_notary_server/health', async (_request, reply) => {
      const problems = await ports.notary.health();
      return reply.code(Object.keys(problems).length === 0 ? 200 : 503).send(problems);
    });
    app.get('/metrics', async (_request, reply) => {
      const { contentType, body } = await ports.counters.expose();
      return reply.type(contentType).send(body);
    });
  };
}
