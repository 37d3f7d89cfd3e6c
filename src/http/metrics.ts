import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { GateCounters } from '../gate/ports.ts';
import { ERRORS } from '../lib/errors.ts';
import type { AllowCode } from '../policy/decision.ts';
import type { LogName } from '../store/store.ts';
import { NOTARY_OPERATIONS } from './notary-operation.ts';
import type { RequestCounters } from './ports.ts';

/** What is asked at the moment of a scrape. */
export interface MetricSources {
  /** How many pushes wait for a signature. */
  holdsWaiting(): number | Promise<number>;
  /** How many events each log of the record holds. */
  events(): Promise<Readonly<Record<LogName, number>>>;
  /** When the root certificates of trusted repositories end: the first, and how many within each bound. */
  rootCertificates(): Promise<{
    readonly earliest: Date | null;
    readonly within: Readonly<Record<string, number>>;
  }>;
}

/** Everything that the service counts. No label holds a repository, tag, digest or name of a person (T-67). */
export interface Metrics extends RequestCounters, GateCounters {
  /** A policy set came into force. */
  policiesLoaded(revision: string): void;
  /** An edit of the policies, the identities or the certificate was taken (`true`) or refused. */
  reloaded(what: 'policies' | 'identities' | 'certificate', ok: boolean): void;
}

const ROUTES = new Set([
  'base',
  'catalog',
  'manifest',
  'blob',
  'uploads',
  'upload',
  'tags',
  'referrers',
  'v2',
  'api',
  'operation',
  'admission',
  'token',
  'notary',
]);
const METHODS = new Set(['GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE', 'OPTIONS']);
const ACTIONS = new Set(['pull', 'push']);
const OPERATIONS = new Set<string>(NOTARY_OPERATIONS);
const WEBHOOKS = new Set(['validate', 'mutate']);
const OUTCOMES = new Set(['allow', 'deny', 'error']);
// A record so that a new code cannot be forgotten here.
const ALLOWED: Readonly<Record<AllowCode, true>> = {
  TRUSTED: true,
  EXCEPTION: true,
  WARNED: true,
  OFF: true,
  CHILD: true,
  ARTIFACT: true,
  HELD_READ: true,
};
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

const oneOf = (value: string, known: ReadonlySet<string>): string =>
  known.has(value) ? value : 'other';
const statusLabel = (status: number): string =>
  status >= 100 && status < 600 ? String(status) : 'other';
const codeLabel = (code: string): string =>
  Object.hasOwn(ERRORS, code) || Object.hasOwn(ALLOWED, code) ? code : 'other';

/**
 * Makes the service's metrics (Prometheus). Every label value is one of a list known beforehand:
 * what clients send can make neither a new series nor a long one.
 */
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
  register.registerMetric(
    new Gauge({
      name: 'countersign_holds_waiting',
      help: 'Pushes that wait for a signature; NaN where the store could not say.',
      registers: [],
      async collect() {
        // The other figures matter most when the store is down.
        this.set((await ask(() => sources.holdsWaiting())) ?? Number.NaN);
      },
    }),
  );
  register.registerMetric(
    new Gauge({
      name: 'countersign_record_events',
      help: 'Events in each log of the record.',
      labelNames: ['log'] as const,
      registers: [],
      async collect() {
        const counts = await ask(() => sources.events());
        for (const [log, count] of Object.entries(counts ?? {})) this.set({ log }, count);
      },
    }),
  );
  register.registerMetric(
    new Gauge({
      name: 'countersign_root_certificate_expiry_seconds',
      help: 'When the first root certificate of a repository ends, in seconds since the epoch; NaN where there is none, or the store could not say.',
      registers: [],
      async collect() {
        const earliest = (await ask(() => sources.rootCertificates()))?.earliest ?? null;
        this.set(earliest === null ? Number.NaN : Math.floor(earliest.getTime() / 1000));
      },
    }),
  );
  register.registerMetric(
    new Gauge({
      name: 'countersign_root_certificates_ending',
      help: 'Repositories whose root certificate ends within the bound; after its end nobody can use or mend them.',
      labelNames: ['within'] as const,
      registers: [],
      async collect() {
        const roots = await ask(() => sources.rootCertificates());
        for (const [within, count] of Object.entries(roots?.within ?? {}))
          this.set({ within }, count);
      },
    }),
  );
  register.registerMetric(
    new Gauge({
      name: 'process_resident_memory_bytes',
      help: 'Resident memory of the process.',
      registers: [],
      collect() {
        this.set(process.memoryUsage.rss());
      },
    }),
  );

  return {
    request(route, method, status, seconds) {
      const kind = oneOf(route, ROUTES);
      requests.inc({ route: kind, method: oneOf(method, METHODS), status: statusLabel(status) });
      durations.observe({ route: kind }, seconds);
    },
    decision(action, decision, code) {
      decisions.inc({
        action: oneOf(action, ACTIONS),
        decision: decision === 'allow' ? 'allow' : 'deny',
        code: codeLabel(code),
      });
    },
    refusal(code) {
      // Some facts of a request bear a code without being a refusal (a push that is held).
      if (Object.hasOwn(ERRORS, code)) refusals.inc({ code });
    },
    admission(webhook, outcome) {
      reviews.inc({ webhook: oneOf(webhook, WEBHOOKS), outcome: oneOf(outcome, OUTCOMES) });
    },
    notary(operation, status) {
      notary.inc({ operation: oneOf(operation, OPERATIONS), status: statusLabel(status) });
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

async function ask<T>(source: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await source();
  } catch {
    return undefined;
  }
}
