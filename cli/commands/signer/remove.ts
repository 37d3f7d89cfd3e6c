import { CountersignError } from '../../../src/lib/errors.ts';
import { unwrap } from '../../../src/lib/result.ts';
import type { Repository } from '../../../src/oci/reference.ts';
import { standingOf } from '../../../src/trust/dct/last-signer.ts';
import { loadTrust } from '../../../src/trust/dct/load.ts';
import type { TrustSession } from '../../../src/trust/dct/session.ts';
import { parseSignerName } from '../../../src/trust/dct/signer-name.ts';
import { removeSigner } from '../../../src/trust/dct/signers.ts';
import type { Context } from '../../commands.ts';
import { oneLine } from '../../display.ts';
import { openTerminal } from '../../terminal.ts';
import type { TrustFlags } from '../../trust-server.ts';
import { forEachRepository, parseRepositories } from '../../each-repository.ts';

/** The options of `signer remove`. */
export interface RemoveFlags extends TrustFlags {
  readonly force?: boolean;
}

/** `signer remove`: asks where nothing would stay signed. */
export async function runRemove(
  context: Context,
  name: string,
  texts: readonly string[],
  flags: RemoveFlags,
): Promise<void> {
  unwrap(parseSignerName(name));
  const repositories = parseRepositories(texts);
  const output = context.output();
  const outcomes = await forEachRepository(context, repositories, flags, async (session, gun) => {
    if (flags.force !== true) await confirmLast(session, gun, name);
    const { releasesSigned, stillReleased } = await removeSigner(session, gun, name);
    if (stillReleased.length > 0) output.warn(leftOver(gun, name, stillReleased));
    if (!releasesSigned) {
      output.warn(
        `nothing of ${gun} is signed until one of its other signers signs again: no key of theirs is here`,
      );
    }
    return { releasesSigned, stillReleased };
  });
  output.result({ signer: name, repositories: outcomes }, () =>
    outcomes
      .flatMap(({ repository, done }) =>
        done === null ? [] : [`${name} signs for ${repository} no more`],
      )
      .join('\n'),
  );
}

const MOST_NAMED = 20;

/** What a person is told of tags that a removed signer leaves behind. */
export function leftOver(gun: Repository, name: string, tags: readonly string[]): string {
  const named = tags.slice(0, MOST_NAMED).map(oneLine).join(', ');
  const more = tags.length > MOST_NAMED ? ` and ${tags.length - MOST_NAMED} more` : '';
  return `what only ${name} signed in ${gun} is released all the same (${named}${more}): another signer has signed targets/releases since, and no key of theirs is here; one of them takes it out with: countersign revoke ${gun}:TAG`;
}

async function confirmLast(session: TrustSession, gun: Repository, name: string): Promise<void> {
  const loaded = await loadTrust(session, gun);
  if (loaded.kind !== 'trusted' || standingOf(loaded, name) !== 'last') return;
  const terminal = openTerminal();
  const what = `what ${gun} has released is signed by ${name} alone: without it nobody can pull from there until another signer signs`;
  if (terminal === null) {
    throw new CountersignError(
      'USAGE',
      `not removed: ${what}; remove it all the same with --force`,
    );
  }
  if (await terminal.confirm(`${what}. Remove ${name} all the same?`)) return;
  throw new CountersignError('USAGE', `nothing was changed in ${gun}`);
}
