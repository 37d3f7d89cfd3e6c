import { messageOf } from '../../../src/lib/errors.ts';
import type { TufKey } from '../../../src/tuf/public-key.ts';
import { tufKeyOf } from '../../../src/tuf/public-key.ts';
import { addSigner } from '../../../src/trust/dct/signers.ts';
import { readPublicKey } from '../../public-key-file.ts';
import { TrustFailure } from '../failure.ts';
import { parseImageArgument } from '../images.ts';
import { checkSignerName } from '../names.ts';
import type { Session, TrustCommand } from '../session.ts';
import { readTrust, signingMessage, withTrust } from '../trust.ts';

/** `docker trust signer add`: repository by repository; what failed is told at the end. */
export const signerAdd: TrustCommand = {
  flags: { key: { kind: 'many' } },
  async run(session, { rest, values }) {
    const { talk } = session;
    const [name = '', ...remotes] = rest;
    checkSignerName(name);
    const keys = await readKeys(values.get('key') ?? []);
    const failed: string[] = [];
    for (const remote of remotes) {
      talk.out(`Adding signer "${name}" to ${remote}...\n`);
      try {
        await addTo(session, remote, name, keys);
        talk.out(`Successfully added signer: ${name} to ${remote}\n\n`);
      } catch (error) {
        talk.err(`${messageOf(error)}\n\n`);
        failed.push(remote);
      }
    }
    if (failed.length > 0) throw new TrustFailure(`failed to add signer to: ${failed.join(', ')}`);
  },
};

async function readKeys(files: readonly string[]): Promise<readonly TufKey[]> {
  if (files.length === 0) {
    throw new TrustFailure('path to a public key must be provided using the `--key` flag');
  }
  const keys: TufKey[] = [];
  for (const file of files) {
    try {
      keys.push(tufKeyOf(await readPublicKey(file)));
    } catch (error) {
      const said = messageOf(error);
      throw new TrustFailure(
        said.includes('there is no such file')
          ? `unable to read public key from file: open ${file}: no such file or directory`
          : `could not parse public key from file: ${file}: ${said}`,
      );
    }
  }
  return keys;
}

async function addTo(
  session: Session,
  remote: string,
  name: string,
  keys: readonly TufKey[],
): Promise<void> {
  const { talk } = session;
  const image = parseImageArgument(remote);
  await withTrust(session, image, async (trust) => {
    const { repository: gun } = image;
    const fresh = (await readTrust(trust, image)) === null;
    if (fresh) talk.out(`Initializing signed repository for ${remote}...\n`);
    try {
      await addSigner(trust, { gun, name, keys });
    } catch (error) {
      throw new TrustFailure(signingMessage(image, error));
    }
    if (fresh) talk.out(`Successfully initialized "${remote}"\n`);
  });
}
