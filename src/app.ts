import { mkdir } from 'node:fs/promises';
import { Closers } from './app/closers.ts';
import { openIdentities } from './app/identities.ts';
import { openNotary } from './app/notary.ts';
import { openPolicies } from './app/policies.ts';
import { readiness } from './app/readiness.ts';
import { openRegistries } from './app/registries.ts';
import { RootExpiry } from './app/root-expiry.ts';
import type { Config } from './config/config.ts';
import { withFreePort } from './config/free-port.ts';
import { createAccess } from './gate/access/access.ts';
import { TrustAuthoriser } from './gate/authorise/authorise-trust.ts';
import { createGate } from './gate/gate.ts';
import { trustPublished } from './gate/hold/arrival.ts';
import { Sweeper } from './gate/hold/sweep.ts';
import { openTrustState } from './gate/in-force/trust-state.ts';
import { createListener } from './http/listener.ts';
import { createMetrics } from './http/metrics.ts';
import { createHttpApp } from './http/server.ts';
import { openServiceTls } from './http/service-tls.ts';
import type { Logger } from './lib/logger.ts';
import type { Clock } from './lib/time.ts';
import { systemClock } from './lib/time.ts';
import { createRecorder } from './log/refusals.ts';
import { splitRepository } from './oci/reference.ts';
import { openStore } from './store/open.ts';
import { FORMATS, VERIFIERS } from './trust/formats.ts';

/** What {@link startService} needs besides the configuration. */
export interface ServiceOptions {
  readonly log: Logger;
  readonly version: string;
  readonly clock?: Clock;
}

/** A running service. */
export interface Service {
  readonly urls: readonly string[];
  /** The registry names that clients use, with the port that was taken. */
  readonly hosts: readonly string[];
  /** The certificate of the service's own authority; `null` where it did not make one. */
  readonly caFile: string | null;
  /** Stops accepting, lets running requests finish, closes the store; resolves when all is down. */
  close(): Promise<void>;
}

/** How long running requests may take to finish at shutdown, ms. */
const GRACE = 10_000;

/**
 * Starts the service: the composition root, with `app/` the only place that knows every part. Throws
 * CountersignError where a part cannot start; nothing stays behind then.
 */
export async function startService(given: Config, options: ServiceOptions): Promise<Service> {
  const closers = new Closers();
  try {
    return await start(given, options, closers);
  } catch (error) {
    await closers.close(options.log);
    throw error;
  }
}

async function start(given: Config, options: ServiceOptions, closers: Closers): Promise<Service> {
  const { log, version } = options;
  const now = options.clock ?? systemClock;
  const config = await withFreePort(given);
  await mkdir(config.data, { recursive: true, mode: 0o700 });
  const store = await openStore({ data: config.data, store: config.store, clock: now });
  closers.add(() => store.close());
  const roots = new RootExpiry(store, now);
  const metrics = createMetrics({
    holdsWaiting: () => store.waiting(),
    events: () => store.counts(),
    rootCertificates: () => roots.summary(),
  });
  const registries = await openRegistries(config, log, closers);
  const policies = await openPolicies(config, store, metrics, log);
  closers.add(() => policies.close());
  const notary = await openNotary(config, store, policies, now, log);
  const recorder = createRecorder(store, now);
  closers.add(() => recorder.close());
  const gate = createGate({
    store,
    formats: FORMATS,
    verifiers: VERIFIERS,
    trust: await openTrustState(store),
    recorder,
    access: createAccess(config.access, config.identities !== null),
    counters: metrics,
    log,
    now,
    govern: (repository, aliases) => policies.govern(repository, aliases),
    policyRevision: () => policies.revision(),
    authorities: () => policies.authorities(),
    trustData: (repository) => notary.trustData(repository),
  });
  const byHost = new Map(registries.map((one) => [one.host, one]));
  const sweeper = new Sweeper(
    gate,
    (repository) => byHost.get(splitRepository(repository).host) ?? null,
  );
  const identities = await openIdentities(config, metrics, log, closers);
  const tls = await openServiceTls({
    setting: config.tls,
    dataDir: config.data,
    hosts: config.registries.flatMap((one) => [one.host, ...one.aliases]),
    log,
    onReload: (ok) => metrics.reloaded('certificate', ok),
  });
  closers.add(() => tls?.close());
  const listener = createListener({
    ...config.listen,
    tls: tls?.material ?? null,
    bothOnLoopback: true,
  });
  tls?.follow(listener);
  await createHttpApp(
    {
      gate,
      notary,
      trustRights: new TrustAuthoriser(gate.authoriser, now),
      trustPublished: (...published) => trustPublished(gate, ...published),
      registries,
      identities,
      counters: metrics,
      log,
      version,
      readiness: () => readiness(store, policies, identities, notary),
    },
    listener.server,
  );
  sweeper.start();
  closers.add(() => sweeper.close());
  await roots.warn(log);
  const { urls } = await listener.listen();
  closers.add(() => listener.close(GRACE));
  return {
    urls,
    hosts: registries.map((one) => one.host),
    caFile: tls?.caFile ?? null,
    close: () => closers.close(log),
  };
}
