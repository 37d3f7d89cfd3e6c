import { CountersignError } from '../../../src/lib/errors.ts';
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

/** `root reset`: an administrator's act at the Countersign in front of the registry. */
export async function runReset(context: Context, text: string, flags: ResetFlags): Promise<void> {
  const [repository = ''] = parseRepositories([text]);
  const { reason } = flags;
  if (reason.trim() === '') {
    throw new CountersignError('USAGE', 'expected a reason (--reason TEXT), which is recorded');
  }
  const host =
    flags.server === undefined
      ? repository.slice(0, repository.indexOf('/'))
      : parseServer(flags.server);
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
  } finally {
    await client.close();
  }
}
