import { join } from 'node:path';
import type { Config, RegistryConfig } from '../config/config.ts';
import { openUpstream } from '../gate/upstream/open.ts';
import type { GateRegistry } from '../gate/ports.ts';
import type { Upstream, UpstreamOptions } from '../gate/upstream/upstream.ts';
import { messageOf } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import { listenOnSocket } from '../registry/socket.ts';
import type { Closers } from './closers.ts';

/** Opens the configured registries: connections to those elsewhere, and the embedded one. Throws where that cannot start. */
export async function openRegistries(
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
