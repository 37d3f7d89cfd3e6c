import type { Repository } from '../src/oci/reference.ts';
import { splitRepository } from '../src/oci/reference.ts';
import type { TrustSession } from '../src/trust/dct/session.ts';
import { askTrustProblem } from './api/held-root.ts';
import type { Context } from './commands.ts';
import type { RegistryFlags } from './registry.ts';
import { openRegistry } from './registry.ts';

/**
 * Why the gate that serves these trust data believes nothing of them, though this machine does: see
 * {@link askTrustProblem}. `null` where they were read from another server than the registry's own.
 */
export async function problemAtGate(
  { env }: Pick<Context, 'env'>,
  flags: RegistryFlags,
  server: TrustSession['server'],
  repository: Repository,
): Promise<string | null> {
  const { host } = splitRepository(repository);
  if (server.host !== host) return null;
  const client = openRegistry({ host }, flags, env);
  try {
    return await askTrustProblem(client, repository);
  } finally {
    await client.close();
  }
}
