import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer as createNetServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LRUCache } from 'lru-cache';
import type { Config, RegistryConfig } from './config/config.ts';
import { createAccess } from './gate/access.ts';
import { createGate } from './gate/gate.ts';
import { Holds } from './gate/hold.ts';
import type { GateRegistry } from './gate/ports.ts';
import { openTrustState } from './gate/trust-state.ts';
import type { Upstream, UpstreamOptions } from './gate/upstream.ts';
import { openUpstream } from './gate/upstream.ts';
import { openHtpasswd } from './http/htpasswd.ts';
import type { Htpasswd } from './http/htpasswd.ts';
import type { Listener, TlsMaterial } from './http/listener.ts';
import { createListener } from './http/listener.ts';
import type { Metrics } from './http/metrics.ts';
import { createMetrics } from './http/metrics.ts';
import type { Readiness } from './http/ports.ts';
import { createHttpApp } from './http/server.ts';
import { keepAutoTls, watchCertificate } from './http/tls-renewal.ts';
import { messageOf } from './lib/errors.ts';
import type { Logger } from './lib/logger.ts';
import { unwrap } from './lib/result.ts';
import type { Clock } from './lib/time.ts';
import { systemClock } from './lib/time.ts';
import { keyRegistered, policyLoaded, policyRejected } from './log/record.ts';
import { createRecorder } from './log/refusals.ts';
import type { Repository } from './oci/reference.ts';
import { splitRepository } from './oci/reference.ts';
import type { LoadedPolicies } from './policy/load.ts';
import { govern } from './policy/match.ts';
import type { Governing } from './policy/policy.ts';
import type { PolicyWatch } from './policy/watch.ts';
import { watchPolicies } from './policy/watch.ts';
import { createRegistry } from './registry/registry.ts';
import { openStore } from './store/open.ts';
import type { NewEvent, Store } from './store/store.ts';
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
  const config = await withPort(given);
  await mkdir(config.data, { recursive: true, mode: 0o700 });
  const store = await openStore({ data: config.data, store: config.store, clock: now });
  closers.add(() => store.close());
  const metrics = createMetrics({
    holdsWaiting: async () => (await store.holds({ states: ['waiting'] })).length,
  });
  const registries = await openRegistries(config, log, closers);
  const policies = await Policies.open(config, store, metrics, log, closers);
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
  const holds = new Holds(
    gate,
    (repository) => byHost.get(splitRepository(repository).host) ?? null,
  );
  const identities = await openIdentities(config, metrics, log, closers);
  const tls = await openTls(config, metrics, log, closers);
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
  holds.start();
  closers.add(() => holds.close());
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
async function withPort(config: Config): Promise<Config> {
  if (config.listen.port !== 0) return config;
  const probe = createNetServer();
  await new Promise<void>((resolve, reject) => {
    probe.once('error', reject).listen(0, config.listen.host, resolve);
  });
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  const named = (host: string): string => host.replace(/:0$/, `:${port}`);
  const registries = config.registries.map((one) => ({
    ...one,
    host: named(one.host),
    aliases: one.aliases.map(named),
  }));
  return { ...config, listen: { ...config.listen, port }, registries };
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
        : openUpstream(upstreamOptions(one, one.upstream, config));
    closers.add(() => upstream.close());
    const upstreamJudges = one.upstream !== 'embedded' && config.identities === null;
    out.push({ host: one.host, aliases: one.aliases, upstream, upstreamJudges });
  }
  return out;
}

function upstreamOptions(one: RegistryConfig, url: URL, config: Config): UpstreamOptions {
  return {
    origin: url.origin,
    passCredentials: config.identities === null,
    ...(one.ca === null ? {} : { ca: one.ca }),
    ...(one.credentials === null ? {} : { credentials: one.credentials }),
  };
}

/** The embedded registry is an upstream like any other, behind a socket that only this user can reach. */
async function openEmbedded(config: Config, log: Logger, closers: Closers): Promise<Upstream> {
  const registry = await createRegistry({
    root: join(config.data, 'registry'),
    onError: (error) => log.error({ error: messageOf(error) }, 'embedded registry'),
  });
  // mkdtemp makes the folder with mode 0700; a path under the data folder may be too long for a socket.
  const folder = await mkdtemp(join(tmpdir(), 'countersign-'));
  const socketPath = join(folder, 'registry.sock');
  const server = createServer({ requestTimeout: 0, keepAliveTimeout: 0 }, registry.handler);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(socketPath, resolve);
  });
  closers.add(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await registry.close();
    await rm(folder, { recursive: true, force: true });
  });
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

interface Tls {
  readonly material: TlsMaterial;
  readonly caFile: string | null;
  /** Shows changed certificates on the listener. */
  follow(listener: Listener): void;
}

async function openTls(
  config: Config,
  metrics: Metrics,
  log: Logger,
  closers: Closers,
): Promise<Tls | null> {
  if (config.tls === 'off') return null;
  let shown: Listener | undefined;
  const told = {
    changed(material: TlsMaterial): void {
      shown?.setTls(material);
      metrics.reloaded('certificate', true);
      log.info({}, 'certificate reloaded');
    },
    problem(message: string): void {
      metrics.reloaded('certificate', false);
      log.error({ problem: message }, 'certificate not reloaded; the last good one stays');
    },
  };
  const follow = (listener: Listener): void => {
    shown = listener;
  };
  if (config.tls !== 'auto') {
    const live = await watchCertificate(config.tls, told);
    closers.add(() => live.close());
    return { material: live.material, caFile: null, follow };
  }
  const hosts = config.registries.flatMap((one) => [one.host, ...one.aliases]);
  const live = await keepAutoTls({ dataDir: config.data, hosts }, told);
  closers.add(() => live.close());
  return { material: live.material, caFile: live.material.caFile, follow };
}

/** The policies in force: every set is recorded as it takes effect. */
class Policies {
  #set: LoadedPolicies;
  #governing = new LRUCache<string, { readonly governing: Governing | null }>({ max: 10_000 });
  readonly #watch: PolicyWatch;

  private constructor(watch: PolicyWatch) {
    this.#watch = watch;
    this.#set = watch.current();
  }

  static async open(
    config: Config,
    store: Store,
    metrics: Metrics,
    log: Logger,
    closers: Closers,
  ): Promise<Policies> {
    const first = config.registries[0] as RegistryConfig;
    const aliases = new Map(
      config.registries.flatMap((one) => one.aliases.map((a) => [a, one.host] as const)),
    );
    const watch = unwrap(
      await watchPolicies(config.policies, {
        registryHost: first.host,
        aliases,
        formats: FORMATS.map((format) => format.name),
      }),
    );
    closers.add(() => watch.close());
    const policies = new Policies(watch);
    const announce = async (set: LoadedPolicies): Promise<void> => {
      await store.commit(eventsOf(set).map((event) => ({ kind: 'event', event })));
      metrics.policiesLoaded(set.revision);
      metrics.reloaded('policies', true);
      log.info({ revision: set.revision, files: set.files }, 'policies loaded');
      for (const warning of set.warnings) log.warn({ warning }, 'policies');
    };
    await announce(policies.#set);
    watch.onChange((change) => {
      if (change.kind === 'loaded') {
        policies.#use(change.set);
        announce(change.set).catch((error: unknown) =>
          log.error({ error: messageOf(error) }, 'policy load not recorded'),
        );
        return;
      }
      metrics.reloaded('policies', false);
      log.error(
        { problem: change.problem.message },
        'policies not reloaded; the last good set stays',
      );
      const event = policyRejected(
        { message: change.problem.message, kept: policies.revision() },
        randomUUID(),
      );
      store
        .commit([{ kind: 'event', event }])
        .catch((error: unknown) =>
          log.error({ error: messageOf(error) }, 'rejected policy edit not recorded'),
        );
    });
    return policies;
  }

  #use(set: LoadedPolicies): void {
    this.#set = set;
    this.#governing = new LRUCache({ max: 10_000 });
  }

  govern(repository: Repository, aliases: readonly string[]): Governing | null {
    const known = this.#governing.get(repository);
    if (known !== undefined) return known.governing;
    const governing = govern(this.#set, repository, aliases);
    this.#governing.set(repository, { governing });
    return governing;
  }

  revision(): string {
    return this.#set.revision;
  }

  authorities(): LoadedPolicies['authorities'] {
    return this.#set.authorities;
  }

  problem(): PolicyWatch['problem'] extends () => infer P ? P : never {
    return this.#watch.problem();
  }
}

function eventsOf(set: LoadedPolicies): readonly NewEvent[] {
  const keys = set.authorities.flatMap(({ name, keys: own }) =>
    own.map((key) => keyRegistered({ authority: name, keyId: key.id, keyType: key.type })),
  );
  return [...keys, policyLoaded(set, randomUUID())];
}

async function readiness(
  store: Store,
  policies: Policies,
  identities: Htpasswd | null,
): Promise<Readiness> {
  const problem = policies.problem();
  const common = {
    policies: { revision: policies.revision(), problem: problem === null ? null : problem.message },
    identities: identities === null ? null : { problem: identities.problem() },
  };
  try {
    await store.trustRevision();
    return { ready: true, body: { status: 'ready', ...common } };
  } catch (error) {
    return { ready: false, body: { status: 'not ready', store: messageOf(error), ...common } };
  }
}
