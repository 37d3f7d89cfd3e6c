import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { GateCounters } from '../gate/ports.ts';
import { ERRORS } from '../lib/errors.ts';
import { LABEL } from './metric-labels.ts';
import type { RequestCounters } from './ports.ts';
import type { MetricSources } from './scraped-metrics.ts';
import { registerScraped } from './scraped-metrics.ts';

/** Everything that the service counts. No label holds a repository, tag, digest or name of a person (T-67). */
export interface Metrics extends RequestCounters, GateCounters {
  /** A policy set came into force. */
  policiesLoaded(revision: string): void;
  /** An edit of the policies, the identities or the certificate was taken (`true`) or refused. */
  reloaded(what: 'policies' | 'identities' | 'certificate', ok: boolean): void;
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Makes the service's metrics (Prometheus); their label values are those of {@link LABEL}. */
export function createMetrics(sources: MetricSources): Metrics {
  const register = new Registry();
  const registers = [register];
  const requests = new Counter({
    name: 'countersign_http_requests_total',
    help: 'Answered requests by kind of path, method and status.',
    labelNames: ['route', 'method', 'status'] as const,
    registers,
  });
  const durations = new Histogram({
    name: 'countersign_http_request_duration_seconds',
    help: 'Time from the request to the end of its answer.',
    labelNames: ['route'] as const,
    buckets: SECONDS,
    registers,
  });
  const decisions = new Counter({
    name: 'countersign_decisions_total',
    help: 'Decisions by action, outcome and reason code, cached ones included.',
    labelNames: ['action', 'decision', 'code'] as const,
    registers,
  });
  const refusals = new Counter({
    name: 'countersign_refusals_total',
    help: 'Answers that were refusals, by code of the error table; UPSTREAM_* is the registry behind the gate.',
    labelNames: ['code'] as const,
    registers,
  });
  const reviews = new Counter({
    name: 'countersign_admission_reviews_total',
    help: 'Reviews of Kubernetes by webhook and outcome; error: no review could be read, or none answered.',
    labelNames: ['webhook', 'outcome'] as const,
    registers,
  });
  const notary = new Counter({
    name: 'countersign_notary_requests_total',
    help: 'Requests of the Notary v1 protocol by what they ask for, and status.',
    labelNames: ['operation', 'status'] as const,
    registers,
  });
  const policies = new Gauge({
    name: 'countersign_policies_info',
    help: 'The revision of the policies in force.',
    labelNames: ['revision'] as const,
    registers,
  });
  const reload = new Gauge({
    name: 'countersign_reload_ok',
    help: '1 where the last edit is in force, 0 where it was refused and an older state stays.',
    labelNames: ['what'] as const,
    registers,
  });
  registerScraped(register, sources);

  return {
    request(route, method, status, seconds) {
      const kind = LABEL.route(route);
      requests.inc({ route: kind, method: LABEL.method(method), status: LABEL.status(status) });
      durations.observe({ route: kind }, seconds);
    },
    decision(action, decision, code) {
      decisions.inc({
        action: LABEL.action(action),
        decision: decision === 'allow' ? 'allow' : 'deny',
        code: LABEL.code(code),
      });
    },
    refusal(code) {
      // Some facts of a request bear a code without being a refusal (a push that is held).
      if (Object.hasOwn(ERRORS, code)) refusals.inc({ code });
    },
    admission(webhook, outcome) {
      reviews.inc({ webhook: LABEL.webhook(webhook), outcome: LABEL.outcome(outcome) });
    },
    notary(operation, status) {
      notary.inc({ operation: LABEL.operation(operation), status: LABEL.status(status) });
    },
    policiesLoaded(revision) {
      policies.reset();
      policies.set({ revision: revision.slice(0, 12) }, 1);
    },
    reloaded: (what, succeeded) => reload.set({ what }, succeeded ? 1 : 0),
    async expose() {
      return { contentType: register.contentType, body: await register.metrics() };
    },
  };
}
