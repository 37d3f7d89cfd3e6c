import type { Config } from '../config/config.ts';
import { PoliciesInForce } from '../gate/in-force/policies.ts';
import type { Metrics } from '../http/metrics.ts';
import type { Logger } from '../lib/logger.ts';
import type { Store } from '../store/store.ts';
import { VERIFIERS } from '../trust/formats.ts';

/** Loads the policies, for the names of the configured registries and the formats that there are. Throws as {@link PoliciesInForce.open} does. */
export function openPolicies(
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
      formats: VERIFIERS.map((verifier) => verifier.name),
    },
    store,
    log,
    onLoad: (revision) => {
      metrics.reloaded('policies', revision !== null);
      if (revision !== null) metrics.policiesLoaded(revision);
    },
  });
}
