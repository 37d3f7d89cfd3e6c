import type { Config } from '../config/config.ts';
import type { Htpasswd } from '../http/htpasswd.ts';
import { openHtpasswd } from '../http/htpasswd.ts';
import type { Metrics } from '../http/metrics.ts';
import type { Logger } from '../lib/logger.ts';
import type { Closers } from './closers.ts';

/** Opens the service's own identities; `null` where it has none. Throws CONFIG_INVALID for a file that does not load. */
export async function openIdentities(
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
