import { messageOf } from '../../../src/lib/errors.ts';
import { standingOf } from '../../../src/trust/dct/last-signer.ts';
import { removeSigner } from '../../../src/trust/dct/signers.ts';
import { leftOver } from '../../commands/signer/remove.ts';
import { TrustFailure } from '../failure.ts';
import { isSet } from '../flags.ts';
import { parseImageArgument } from '../images.ts';
import type { Session, TrustCommand } from '../session.ts';
import { confirm } from '../talk.ts';
import { noTrustDataAt, readTrust, signingMessage, withTrust } from '../trust.ts';

/** `docker trust signer remove`, which removes: docker 26.1 to 29 say nothing and do nothing. */
export const signerRemove: TrustCommand = {
  flags: { force: { kind: 'true', short: 'f' } },
  async run(session, parsed) {
    const { talk } = session;
    const [name = '', ...remotes] = parsed.rest;
    const failed: string[] = [];
    for (const remote of remotes) {
      talk.out(`Removing signer "${name}" from ${remote}...\n`);
      try {
        if (await removeFrom(session, remote, name, isSet(parsed, 'force'))) {
          talk.out(`Successfully removed ${name} from ${remote}\n\n`);
        }
      } catch (error) {
        talk.err(`${messageOf(error)}\n\n`);
        failed.push(remote);
      }
    }
    if (failed.length > 0) {
      throw new TrustFailure(`error removing signer from: ${failed.join(', ')}`);
    }
  },
};

async function removeFrom(
  session: Session,
  remote: string,
  name: string,
  force: boolean,
): Promise<boolean> {
  const image = parseImageArgument(remote);
  if (name === 'releases') {
    throw new TrustFailure('releases is a reserved keyword and cannot be removed');
  }
  return withTrust(session, image, async (trust) => {
    const { repository } = image;
    const loaded = await readTrust(trust, image);
    if (loaded === null) {
      throw new TrustFailure(
        `error retrieving signers for ${remote}: ${noTrustDataAt(trust, repository)}`,
      );
    }
    const standing = standingOf(loaded, name);
    if (standing === 'absent') throw new TrustFailure(`no signer ${name} for repository ${remote}`);
    if (!force && standing === 'last') {
      const question = `The signer "${name}" signed the last released version of ${remote}. Removing this signer will make ${remote} unpullable. Are you sure you want to continue?`;
      if (!(await confirm(session.talk, question))) return false;
    }
    try {
      const { stillReleased } = await removeSigner(trust, repository, name);
      if (stillReleased.length > 0) {
        session.talk.err(`warning: ${leftOver(repository, name, stillReleased)}\n`);
      }
    } catch (error) {
      throw new TrustFailure(signingMessage(image, error));
    }
    return true;
  });
}
