import { messageOf } from '../../../src/lib/errors.ts';
import { TrustFailure } from '../failure.ts';
import { isSet } from '../flags.ts';
import { parseImageArgument } from '../images.ts';
import type { TrustReport } from '../report.ts';
import { dockerJson, dockerPretty, reportOf } from '../report.ts';
import type { Session, TrustCommand } from '../session.ts';
import { readTrust, withTrust } from '../trust.ts';

/** `docker trust inspect`: pretty stops at the first image that cannot be had, JSON lists the others. */
export const inspect: TrustCommand = {
  flags: { pretty: { kind: 'true' } },
  async run(session, parsed) {
    const { talk } = session;
    const { rest: names } = parsed;
    if (isSet(parsed, 'pretty')) {
      for (const [at, name] of names.entries()) {
        const report = await look(session, name);
        talk.out(`${dockerPretty(name, report)}${at === names.length - 1 ? '' : '\n\n'}`);
      }
      return;
    }
    const elements: object[] = [];
    const problems: string[] = [];
    for (const name of names) {
      try {
        elements.push(dockerJson(name, await look(session, name)));
      } catch (error) {
        problems.push(messageOf(error));
      }
    }
    talk.out(`${JSON.stringify(elements, null, 4)}\n`);
    if (problems.length > 0) throw new TrustFailure(problems.join('\n'));
  },
};

/** Why it cannot be had is for a debugger: docker says the same of every failure. */
async function look(session: Session, name: string): Promise<TrustReport> {
  const failed = new TrustFailure(`no signatures or cannot access ${name}`);
  try {
    const image = parseImageArgument(name);
    return await withTrust(session, image, async (trust) => {
      const loaded = await readTrust(trust, image);
      if (loaded === null) throw failed;
      return reportOf(loaded.repository, image.tag ?? null);
    });
  } catch (error) {
    if (error !== failed && session.debug) session.talk.err(`${messageOf(error)}\n`);
    throw failed;
  }
}
