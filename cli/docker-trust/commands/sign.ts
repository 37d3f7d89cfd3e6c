import { codeOf, messageOf } from '../../../src/lib/errors.ts';
import { dockerCredentials } from '../../../src/oci/credentials.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import { hexOf } from '../../../src/oci/digest.ts';
import { expectEngineImage, pushByEngine } from '../../../src/oci/engine-push.ts';
import type { Engine } from '../../../src/oci/engine.ts';
import type { Reference } from '../../../src/oci/reference.ts';
import type { LoadedTrust } from '../../../src/trust/dct/load.ts';
import type { TrustSession } from '../../../src/trust/dct/session.ts';
import { signTagWithHeldKeys } from '../../../src/trust/dct/sign-held.ts';
import { lookUpTag } from '../../../src/tuf/lookup.ts';
import { beginFor } from '../begin.ts';
import { openEngine } from '../engine.ts';
import { TrustFailure } from '../failure.ts';
import { isSet } from '../flags.ts';
import { parseTagged } from '../images.ts';
import { reportOf } from '../report.ts';
import type { Session, TrustCommand } from '../session.ts';
import { readTrust, signingMessage, withTrust } from '../trust.ts';

type Tagged = Reference & { readonly tag: string };
interface Signed {
  readonly digest: Digest;
  readonly length: number;
}

/**
 * `docker trust sign`: a tag that is signed already is signed again as the digest that it is; any other,
 * and with `--local` every one, is pushed by the engine first and signed as what arrived.
 */
export const sign: TrustCommand = {
  flags: { local: { kind: 'true' } },
  async run(session, parsed) {
    const [name = ''] = parsed.rest;
    const image = parseTagged(name);
    await withTrust(session, image, async (trust) => {
      let loaded = await readTrust(trust, image);
      if (loaded === null) {
        await withEngine(session, (engine) => expectImage(engine, name));
        await beginFor(session, trust, image, name);
        loaded = await readTrust(trust, image);
      }
      const released = loaded === null ? null : releasedAs(loaded, image.tag);
      if (loaded !== null && released !== null && !isSet(parsed, 'local')) {
        await signAgain(session, trust, loaded, { image, name, released });
      } else {
        await pushAndSign(session, trust, image, name);
      }
    });
  },
};

function releasedAs({ repository }: LoadedTrust, tag: string): Signed | null {
  const found = lookUpTag(repository.tree, tag);
  if (found.kind === 'unreadable') throw new TrustFailure(found.refusal.message);
  return found.kind === 'signed' ? found.entry : null;
}

async function signAgain(
  { talk }: Session,
  trust: TrustSession,
  { repository }: LoadedTrust,
  { image, name, released }: { image: Tagged; name: string; released: Signed },
): Promise<void> {
  talk.out(`Signing and pushing trust metadata for ${name}\n`);
  const hex = hexOf(released.digest);
  const row = reportOf(repository, image.tag).tags.find(({ digest }) => digest === hex);
  const signers = row?.signers.toSorted().join(', ') ?? '';
  const existing = `Existing signatures for tag ${image.tag} digest ${hex} from:\n${signers}\n`;
  await signAs(trust, image, released, () => talk.out(existing));
  talk.out(`Successfully signed ${image.repository}:${image.tag}\n`);
}

async function pushAndSign(
  session: Session,
  trust: TrustSession,
  image: Tagged,
  name: string,
): Promise<void> {
  const { talk, dockerConfig } = session;
  const pushed = await withEngine(session, async (engine) => {
    await expectImage(engine, name);
    talk.err(
      `Signing and pushing trust data for local image ${name}, may overwrite remote trust data\n`,
    );
    const credential = await dockerCredentials(dockerConfig)(image.host);
    return pushByEngine(engine, image, credential, (line) => talk.out(`${line}\n`));
  });
  talk.out('Signing and pushing trust metadata\n');
  await signAs(trust, image, { digest: pushed.digest, length: pushed.size });
  talk.out(`Successfully signed ${image.repository}:${image.tag}\n`);
}

async function signAs(
  trust: TrustSession,
  image: Tagged,
  { digest, length }: Signed,
  willBe?: () => void,
): Promise<void> {
  const { repository: gun, tag } = image;
  try {
    await signTagWithHeldKeys(trust, { gun, tag, digest, length }, willBe);
  } catch (error) {
    throw new TrustFailure(`failed to sign ${gun}:${tag}: ${signingMessage(image, error)}`);
  }
}

/** Throws docker's words for an image that the engine does not have: another client may have pushed it. */
async function expectImage(engine: Engine, name: string): Promise<void> {
  try {
    await expectEngineImage(engine, name);
  } catch (error) {
    if (codeOf(error) !== 'MANIFEST_UNKNOWN') throw error;
    const next = `countersign: docker signs what this engine has; what another client pushed is signed by countersign sign ${name}`;
    throw new TrustFailure(messageOf(error), 1, next);
  }
}

async function withEngine<T>(session: Session, work: (engine: Engine) => Promise<T>): Promise<T> {
  const engine = await openEngine(session);
  try {
    return await work(engine);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ECONNREFUSED' && code !== 'EACCES') throw error;
    throw new TrustFailure(
      `Cannot connect to the Docker daemon at ${engine.where}. Is the docker daemon running?`,
    );
  } finally {
    await engine.client.destroy();
  }
}
