import type { FastifyPluginAsync } from 'fastify';
import type { Webhook } from '../../admission/admit.ts';
import { admit } from '../../admission/admit.ts';
import type { AdmissionPorts } from '../../admission/ports.ts';
import { parseReview } from '../../admission/review.ts';
import { answerOf } from '../../admission/response.ts';
import type { Refused } from '../../gate/outcome.ts';
import { refused, refusedByFailure } from '../../gate/outcome.ts';
import { LIMITS } from '../../lib/limits.ts';
import { essence } from '../../oci/manifest.ts';
import { factsOf, readBody } from '../exchange.ts';
import type { HttpPorts } from '../ports.ts';
import { refuse } from './registry-request.ts';

type Exchange = Parameters<typeof refuse>[0];

/**
 * The two webhooks of Kubernetes: any Host, no identity. Whatever goes wrong, the answer
 * is an HTTP error or a denial; an AdmissionReview that allows is built from verdicts only.
 */
export function admissionRoutes(ports: HttpPorts): FastifyPluginAsync {
  const { gate, registries, identities } = ports;
  const mine = { gate, registries, ownRights: identities !== null };
  return async (app) => {
    for (const webhook of ['validate', 'mutate'] as const) {
      app.route({
        method: app.supportedMethods,
        url: `/admission/${webhook}`,
        // The body is read here, within its own bounds, and not by the framework.
        onRequest: async (request, reply) => {
          reply.hijack();
          const at = { request: request.raw, response: reply.raw, facts: factsOf(request.raw) };
          at.facts.route = 'admission';
          await handle(ports, mine, webhook, at);
        },
        handler: () => undefined,
      });
    }
  };
}

async function handle(
  ports: HttpPorts,
  mine: AdmissionPorts,
  webhook: Webhook,
  at: Exchange,
): Promise<void> {
  try {
    const refusal = await answered(ports, mine, webhook, at);
    if (refusal === null) return;
    ports.counters.admission(webhook, 'error');
    refuse(at, refusal);
  } catch (error) {
    if (at.response.destroyed) return;
    ports.log.error({ error }, 'admission request failed');
    ports.counters.admission(webhook, 'error');
    if (at.response.headersSent) at.response.destroy();
    else refuse(at, refusedByFailure(error));
  }
}

/** Answers the review; a refusal where there is none to answer. */
async function answered(
  ports: HttpPorts,
  mine: AdmissionPorts,
  webhook: Webhook,
  at: Exchange,
): Promise<Refused | null> {
  const began = performance.now();
  const { request, response, facts } = at;
  if (request.method !== 'POST') {
    response.setHeader('allow', 'POST');
    return refused('METHOD_NOT_ALLOWED', 'expected POST of an AdmissionReview');
  }
  if (essence(request.headers['content-type'] ?? '') !== 'application/json')
    return refused('REQUEST_INVALID', 'expected Content-Type: application/json');
  const ms = budget(request.url ?? '');
  const bytes = await readBody(request, LIMITS.admissionBodyBytes, ms);
  if (bytes === null)
    return refused('TOO_LARGE', `expected at most ${LIMITS.admissionBodyBytes} bytes`);
  const review = parseReview(bytes);
  if (!review.ok) return refused(review.refusal.code, review.refusal.message);
  facts.identity = `kubernetes:${review.value.username}`;
  const left = Math.max(ms - (performance.now() - began), 0);
  // From here on every failure is a denial too: an HTTP error may be one that a cluster ignores (T-52).
  const admission = await admit(mine, webhook, review.value, left).catch((error: unknown) => {
    ports.log.error({ error }, 'admission failed');
    return refusedByFailure(error);
  });
  const answer = answerOf(review.value.uid, admission);
  if (answer.code !== null) {
    facts.code = answer.code;
    facts.message = answer.message.slice(0, 400);
  }
  ports.counters.admission(webhook, answer.allowed ? 'allow' : 'deny');
  const body = Buffer.from(`${JSON.stringify(answer.body)}\n`);
  // HTTP 200 for a denial too: any other status tells the API server that the webhook has failed.
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': body.byteLength,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(body);
  return null;
}

/**
 * Milliseconds to answer in: what the API server waits (`?timeout=10s`, its default) less a second
 * for the way there and back. A caller that names more gets no more than Kubernetes allows.
 */
function budget(url: string): number {
  const timeout = /[?&]timeout=([0-9]{1,3})s(?:&|$)/.exec(url)?.[1];
  const seconds = Math.min(Math.max(Number(timeout ?? '10'), 1), 30);
  return Math.max(seconds - 1, 0.5) * 1000;
}
