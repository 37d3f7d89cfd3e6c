import { mkdir } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer as createNetServer } from 'node:net';
import { join } from 'node:path';
import type { Config, RegistryConfig } from './config/config.ts';
import { withPort } from './config/listen.ts';
import { createAccess } from './gate/access.ts';
import { createGate } from './gate/gate.ts';
import { Holds } from './gate/hold.ts';
import type { GateRegistry } from './gate/ports.ts';
import { PoliciesInForce } from './gate/policies-in-force.ts';
import { Sweeper } from './gate/sweep.ts';
import { openTrustState } from './gate/trust-state.ts';
import type { Upstream, UpstreamOptions } from './gate/upstream.ts';
import { openUpstream } from './gate/http-upstream.ts';
import { openHtpasswd } from './http/htpasswd.ts';
import type { Htpasswd } from './http/htpasswd.ts';
import { createListener } from './http/listener.ts';
import type { Metrics } from './http/metrics.ts';
import { createMetrics } from './http/metrics.ts';
import type { Readiness } from './http/ports.ts';
import { openServiceTls } from './http/service-tls.ts';
import { createHttpApp } from './http/server.ts';
import { messageOf } from './lib/errors.ts';
import type { Logger } from './lib/logger.ts';
import type { Clock } from './lib/time.ts';
import { systemClock } from './lib/time.ts';
import { createRecorder } from './log/refusals.ts';
import { splitRepository } from './oci/reference.ts';
import { listenOnSocket } from './registry/socket.ts';
import { openStore } from './store/open.ts';
import type { Store } from './store/store.ts';
import { FORMATS } from './trust/formats.ts';

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

/** Closes in the reverse order of opening, whatever one of them says. */
class Closers {
  readonly #list: (() => unknown)[] = [];

  add(close: () => unknown): void {
    this.#list.push(close);
  }

  async close(log: Logger): Promise<void> {
    for (const close of this.#list.toReversed()) {
      try {
        await close();
      } catch (error) {
        log.error({ error: messageOf(error) }, 'could not close a part of the service');
      }
    }
  }
}

/**
 * Starts the service: the composition root, the only place that knows every part. Throws
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
  const metrics = createMetrics({
    holdsWaiting: () => store.waiting(),
    events: () => store.counts(),
  });
  const registries = await openRegistries(config, log, closers);
  const policies = await openPolicies(config, store, metrics, log);
  closers.add(() => policies.close());
  const recorder = createRecorder(store, now);
  closers.add(() => recorder.close());
  const gate = createGate({
    store,
    formats: FORMATS,
    trust: await openTrustState(store),
    recorder,
    access: createAccess(config.access, config.identities !== null),
    counters: metrics,
    log,
    now,
    govern: (repository, aliases) => policies.govern(repository, aliases),
    policyRevision: () => policies.revision(),
    authorities: () => policies.authorities(),
  });
  const byHost = new Map(registries.map((one) => [one.host, one]));
  const holds = new Holds(gate);
  const sweeper = new Sweeper(
    gate.ports,
    holds,
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
      holds,
      registries,
      identities,
      counters: metrics,
      log,
      version,
      readiness: () => readiness(store, policies, identities),
    },
    listener.server,
  );
  sweeper.start();
  closers.add(() => sweeper.close());
  const { urls } = await listener.listen();
  closers.add(() => listener.close(GRACE));
  return {
    urls,
    hosts: registries.map((one) => one.host),
    caFile: tls?.caFile ?? null,
    close: () => closers.close(log),
  };
}

/** Takes a free port where 0 was asked for: names with it are needed before the listener is. */
async function withFreePort(config: Config): Promise<Config> {
  if (config.listen.port !== 0) return config;
  const probe = createNetServer();
  await new Promise<void>((resolve, reject) => {
    probe.once('error', reject).listen(0, config.listen.host, resolve);
  });
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return withPort(config, port);
}

async function openRegistries(
  config: Config,
  log: Logger,
  closers: Closers,
): Promise<readonly GateRegistry[]> {
  const out: GateRegistry[] = [];
  for (const one of config.registries) {
    const upstream =
      one.upstream === 'embedded'
        ? await openEmbedded(config, log, closers)
        : openUpstream(upstreamOptions(one, one.upstream, config, log));
    closers.add(() => upstream.close());
    const upstreamJudges = one.upstream !== 'embedded' && config.identities === null;
    out.push({ host: one.host, aliases: one.aliases, upstream, upstreamJudges });
  }
  return out;
}

function upstreamOptions(
  one: RegistryConfig,
  url: URL,
  config: Config,
  log: Logger,
): UpstreamOptions {
  return {
    log,
    origin: url.origin,
    passCredentials: config.identities === null,
    tls: one.tls,
    storage: one.storage,
    ...(one.realm === null ? {} : { realm: one.realm }),
    ...(one.credentials === null ? {} : { credentials: one.credentials }),
  };
}

/** The embedded registry is an upstream like any other, behind a socket that only this user can reach. */
async function openEmbedded(config: Config, log: Logger, closers: Closers): Promise<Upstream> {
  const registry = await listenOnSocket({
    root: join(config.data, 'registry'),
    folder: join(config.data, 'run'),
    onError: (error) => log.error({ error: messageOf(error) }, 'embedded registry'),
  });
  closers.add(() => registry.close());
  const { socketPath } = registry;
  return openUpstream({ origin: 'http://localhost', socketPath, passCredentials: false });
}

async function openIdentities(
  config: Config,
  metrics: Metrics,
  log: Logger,
  closers: Closers,
): Promise<Htpasswd | null> {
  if (config.identities === null) return null;
  const identities = await openHtpasswd(config.identities.htpasswd, {
    onReload: (problem) => {
      metrics.reloaded('identities', problem === null);
      if (problem !== null)
        log.error({ problem }, 'identities not reloaded; the last good set stays');
    },
  });
  closers.add(() => identities.close());
  return identities;
}

function openPolicies(
  config: Config,
  store: Store,
  metrics: Metrics,
  log: Logger,
): Promise<PoliciesInForce> {
  const names = config.registries.flatMap((one) =>
    one.aliases.map((alias) => [alias, one.host] as const),
  );
  return PoliciesInForce.open({
    folder: config.policies,
    hosts: config.registries.map((one) => one.host),
    watch: {
      registryHost: config.registries[0]?.host ?? '',
      aliases: new Map(names),
      formats: FORMATS.map((format) => format.name),
    },
    store,
    log,
    onLoad: (revision) => {
      metrics.reloaded('policies', revision !== null);
      if (revision !== null) metrics.policiesLoaded(revision);
    },
  });
}

async function readiness(
  store: Store,
  policies: PoliciesInForce,
  identities: Htpasswd | null,
): Promise<Readiness> {
  const problem = policies.problem();
  const common = {
    policies: { revision: policies.revision(), problem: problem === null ? null : problem.message },
    identities: identities === null ? null : { problem: identities.problem() },
  };
  try {
    await store.trustRevision();
    // Reads go on where the writer has died; a list of nothing asks it without writing.
    await store.commit([]);
    return { ready: true, body: { status: 'ready', ...common } };
  } catch (error) {
    return { ready: false, body: { status: 'not ready', store: messageOf(error), ...common } };
  }
}
