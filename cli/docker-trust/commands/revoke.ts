import { codeOf, messageOf } from '../../../src/lib/errors.ts';
import type { LoadedTrust } from '../../../src/trust/dct/load.ts';
import { revokeTags } from '../../../src/trust/dct/revoke-tags.ts';
import type { TrustSession } from '../../../src/trust/dct/session.ts';
import { oneLine } from '../../display.ts';
import { TrustFailure } from '../failure.ts';
import { isSet } from '../flags.ts';
import { parseTagOrAll } from '../images.ts';
import { reportOf } from '../report.ts';
import type { Session, TrustCommand } from '../session.ts';
import { confirm } from '../talk.ts';
import { noTrustDataAt, readTrust, withTrust } from '../trust.ts';

/**
 * `docker trust revoke`. Tags that stand in `targets` from before there were signers go too: docker
 * leaves them and says that all is done.
 */
export const revoke: TrustCommand = {
  flags: { yes: { kind: 'true', short: 'y' } },
  async run(session, parsed) {
    const { talk } = session;
    const [remote = ''] = parsed.rest;
    const image = parseTagOrAll(remote);
    const { repository, tag = null } = image;
    if (tag === null && !isSet(parsed, 'yes')) {
      const question = `Confirm you would like to delete all signature data for ${remote}?`;
      if (!(await confirm(talk, question))) return;
    }
    await withTrust(session, image, async (trust) => {
      const fail = (why: string): never => {
        throw new TrustFailure(`could not remove signature for ${remote}: ${why}`);
      };
      try {
        const loaded = await readTrust(trust, image);
        if (loaded === null) return fail(noTrustDataAt(trust, repository));
        await take(session, trust, loaded, tag);
      } catch (error) {
        if (error instanceof TrustFailure) throw error;
        if (codeOf(error) === 'NO_SIGNING_KEY') {
          fail('no valid signing keys for delegation roles');
        }
        if (codeOf(error) === 'NO_TRUST_DATA' && tag === null) fail('no signed tags to remove');
        fail(messageOf(error));
      }
      talk.out(`Successfully deleted signature for ${remote}\n`);
    });
  },
};

/**
 * Takes the tags out of the roles whose keys are here. What stands in others' alone is released to
 * nobody's docker any more, but a policy that asks for those signers by name still counts it.
 */
async function take(
  { talk }: Session,
  trust: TrustSession,
  { repository, gun }: LoadedTrust,
  tag: string | null,
): Promise<void> {
  const warn = (tags: readonly string[], role: string): void =>
    talk.err(
      `warning: ${oneLine(tags.join(', '))} still signed in ${role}, whose key is not here\n`,
    );
  const { tree } = repository;
  const left = [...tree.roles.values()].filter(({ targets }) => targets.size > 0);
  if (tag === null && left.length > 0 && reportOf(repository, null).tags.length === 0) {
    for (const { name, targets } of left) warn([...targets.keys()], name);
    return;
  }
  const { remaining } = await revokeTags(trust, gun, tag);
  for (const { role, tags } of remaining) warn(tags, role);
}
