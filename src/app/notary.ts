import type { Config } from '../config/config.ts';
import type { PoliciesInForce } from '../gate/in-force/policies.ts';
import type { Logger } from '../lib/logger.ts';
import type { Clock } from '../lib/time.ts';
import { createNotary } from '../notary/create-notary.ts';
import { loadMasterKey } from '../notary/master-key.ts';
import type { Notary } from '../notary/notary.ts';
import { splitRepository } from '../oci/reference.ts';
import type { Store } from '../store/store.ts';
import { pinnedRoots } from './pinned-roots.ts';

/**
 * Opens the Notary v1 service with the configured master key, or one that is made now. Throws where that
 * cannot be read; a new one is not made where keys are sealed under another that is missing.
 */
export async function openNotary(
  config: Config,
  store: Store,
  policies: PoliciesInForce,
  clock: Clock,
  log: Logger,
): Promise<Notary> {
  const { masterKey, keyType } = config.notary;
  const aliases = new Map(config.registries.map((one) => [one.host, one.aliases]));
  const first = (await store.serverKeys(null)).length === 0;
  const source = 'text' in masterKey ? masterKey : { ...masterKey, make: masterKey.make && first };
  const notary = createNotary({
    store,
    clock,
    log,
    keyType,
    masterKey: await loadMasterKey(source),
    pinnedRoots: (repository) =>
      pinnedRoots(repository, (name) =>
        policies.govern(name, aliases.get(splitRepository(name).host) ?? []),
      ),
  });
  for (const [check, problem] of Object.entries(await notary.health()))
    log.error({ check, problem }, 'the trust server cannot sign; what is signed is served');
  return notary;
}
