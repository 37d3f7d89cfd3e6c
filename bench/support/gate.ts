import type { Service, Site } from '../../test/support/countersign.ts';
import { createSite, startService } from '../../test/support/countersign.ts';
import { oneSigner } from '../../test/support/one-signer.ts';

const POLICY = oneSigner({ images: 'bench/**', name: 'bench', push: 'reject' });

/** A gate that asks for one signature, before a registry. */
export interface BenchGate {
  readonly site: Site;
  readonly service: Service;
  /** Signs `name:tag` by way of the gate. Throws where that fails. */
  sign(image: string): Promise<void>;
}

/** Starts it; `config` is further text of its configuration file. */
export async function openGate(folder: string, upstream: string, config = ''): Promise<BenchGate> {
  const site = createSite(folder);
  await site.key('release-bot');
  site.policy(POLICY);
  const service = await startService(site, {
    config: (host) => `registries: [{ host: "${host}", upstream: "${upstream}" }]\n${config}`,
  });
  return {
    site,
    service,
    sign: async (image) => {
      const ran = await site.cli(['sign', `${service.host}/${image}`, '--key', 'release-bot']);
      if (ran.code !== 0) throw new Error(`sign: ${ran.output}`);
    },
  };
}
