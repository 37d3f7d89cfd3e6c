import { join } from 'node:path';
import type { Service, Site } from '../../test/support/countersign.ts';
import { createSite, startService } from '../../test/support/countersign.ts';
import type { DockerRegistry } from '../../test/support/docker-registry.ts';
import { startDockerRegistry } from '../../test/support/docker-registry.ts';
import { oneSigner } from '../../test/support/one-signer.ts';

const policy = (push: 'reject' | 'allow'): string =>
  oneSigner({ images: 'bench/**', name: 'bench', push });

/** A gate that asks for one signature, before a registry. */
export interface BenchGate {
  readonly site: Site;
  readonly service: Service;
  /** Signs `name:tag` by way of the gate. Throws where that fails. */
  sign(image: string): Promise<void>;
}

/** Starts it; `config` is further text of its configuration file, `push` what becomes of unsigned pushes. */
export async function openGate(
  folder: string,
  upstream: string,
  config = '',
  push: 'reject' | 'allow' = 'reject',
): Promise<BenchGate> {
  const site = createSite(folder);
  await site.key('release-bot');
  site.policy(policy(push));
  const service = await startService(site, {
    config: (host) => `registries: [{ host: "${host}", upstream: "${upstream}" }]\n${config}`,
  });
  return {
    site,
    service,
    sign: async (image) => {
      const name = `${service.host}/${image}`;
      const ran = await site.cli(['sign', name, '--key', 'release-bot', '--format', 'cosign']);
      if (ran.code !== 0) throw new Error(`sign: ${ran.output}`);
    },
  };
}

/** Works with a gate before a docker-registry, both under `folder`, and ends them. */
export async function withGate<T>(
  folder: string,
  work: (gate: BenchGate, registry: DockerRegistry) => Promise<T>,
  push: 'reject' | 'allow' = 'reject',
): Promise<T> {
  const registry = await startDockerRegistry(join(folder, 'registry'));
  try {
    const gate = await openGate(join(folder, 'site'), registry.url, '', push);
    try {
      return await work(gate, registry);
    } finally {
      await gate.service.stop();
    }
  } finally {
    await registry.stop();
  }
}
