import { CountersignError } from '../../../src/lib/errors.ts';
import { rotateRoot, rotateServerKeys } from '../../../src/trust/dct/rotate.ts';
import type { Context } from '../../commands.ts';
import type { TrustFlags } from '../../trust-server.ts';
import { forEachRepository, parseRepositories } from '../../each-repository.ts';

/** The options of `root rotate`. */
export interface RotateFlags extends TrustFlags {
  readonly keepKey?: boolean;
  readonly serverKeys?: boolean;
  readonly expiredTimestamp?: boolean;
}

/** `root rotate`. */
export async function runRotate(
  context: Context,
  texts: readonly string[],
  flags: RotateFlags,
): Promise<void> {
  const repositories = parseRepositories(texts);
  // Without the other one a new root key would be made, which nobody asked for.
  if (flags.expiredTimestamp === true && flags.serverKeys !== true)
    throw new CountersignError('USAGE', 'expected --expired-timestamp with --server-keys');
  if (flags.serverKeys === true) {
    await rotateServers(context, repositories, flags);
    return;
  }
  const keep = flags.keepKey ?? false;
  const outcomes = await forEachRepository(context, repositories, flags, async (session, gun) => {
    const { keyId, expires } = await rotateRoot(session, gun, { keep });
    return { keyId, certificateExpires: expires?.toISOString() ?? null };
  });
  context.output().result({ repositories: outcomes }, () =>
    outcomes
      .flatMap(({ repository, done }) => {
        if (done === null) return [];
        const until = done.certificateExpires?.slice(0, 10) ?? 'for ever';
        const key = done.keyId.slice(0, 12);
        return [
          `${repository} has ${keep ? 'a new certificate of' : 'the new'} root key ${key}, until ${until}`,
        ];
      })
      .join('\n'),
  );
}

/** `root rotate --server-keys`: the root key stays, and lists other keys of the server. */
async function rotateServers(
  context: Context,
  repositories: ReturnType<typeof parseRepositories>,
  flags: RotateFlags,
): Promise<void> {
  const { expiredTimestamp = false } = flags;
  const outcomes = await forEachRepository(context, repositories, flags, async (session, gun) =>
    Object.fromEntries(
      await rotateServerKeys(session, gun, ['timestamp', 'snapshot'], { expiredTimestamp }),
    ),
  );
  context.output().result({ repositories: outcomes }, () =>
    outcomes
      .filter(({ done }) => done !== null)
      .map(({ repository }) => `${repository} has new timestamp and snapshot keys of the server`)
      .join('\n'),
  );
}
