import { CountersignError } from '../../../src/lib/errors.ts';
import type { RegistryClient } from '../../../src/oci/client.ts';
import type { Repository } from '../../../src/oci/reference.ts';
import { splitRepository } from '../../../src/oci/reference.ts';
import type { Context } from '../../commands.ts';
import { apiObject } from '../../api/answer.ts';
import type { RegistryFlags } from '../../registry.ts';
import { openRegistry } from '../../registry.ts';
import { parseServer } from '../../server.ts';
import { parseRepositories } from '../../each-repository.ts';

/** The options of `root reset`. */
export interface ResetFlags extends RegistryFlags {
  readonly reason: string;
  readonly server?: string;
}

/** A warning where the registry has nothing of that name; `null` where it has, or nobody tells. Never throws. */
async function mayBeSlip(client: RegistryClient, repository: Repository): Promise<string | null> {
  const { path } = splitRepository(repository);
  try {
    if ((await client.tags(path)).length > 0) return null;
  } catch {
    return null;
  }
  return `${repository} has no images (a slip? the repository that was meant is held to its root as before)`;
}

/** `root reset`: an administrator's act at the Countersign in front of the registry. */
export async function runReset(context: Context, text: string, flags: ResetFlags): Promise<void> {
  const [repository] = parseRepositories([text]);
  if (repository === undefined) return;
  const { reason } = flags;
  if (reason.trim() === '') {
    throw new CountersignError('USAGE', 'expected a reason (--reason TEXT), which is recorded');
  }
  const host =
    flags.server === undefined ? splitRepository(repository).host : parseServer(flags.server);
  const client = openRegistry({ host }, flags, context.env);
  try {
    const body = { repository, reason };
    const answer = apiObject(await client.api('POST', '/api/v1/roots/reset', body));
    if (answer === null) {
      throw new CountersignError(
        'USAGE',
        `${host} is no Countersign, so nothing was reset; name the one in front of it with --server URL`,
      );
    }
    context
      .output()
      .result(
        answer,
        `${repository} is held to no root any more: ${host} accepts the one that it has, or gets next`,
      );
    const doubt = await mayBeSlip(client, repository);
    if (doubt !== null) context.output().warn(doubt);
  } finally {
    await client.close();
  }
}
