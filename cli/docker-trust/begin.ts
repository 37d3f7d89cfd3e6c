import { generateKey } from '../../src/keys/generate.ts';
import { notaryKeyId } from '../../src/keys/notary-key-id.ts';
import type { PrivateKey } from '../../src/keys/private-key.ts';
import { dockerCredentials } from '../../src/oci/credentials.ts';
import type { Reference } from '../../src/oci/reference.ts';
import { parseSignerName } from '../../src/trust/dct/signer-name.ts';
import type { TrustSession } from '../../src/trust/dct/session.ts';
import { addSigner } from '../../src/trust/dct/signers.ts';
import { tufKeyOf } from '../../src/tuf/public-key.ts';
import { TrustFailure } from './failure.ts';
import type { Session } from './session.ts';
import { storeKey } from './store-key.ts';
import { signingMessage } from './trust.ts';

/**
 * Begins a repository that is signed for the first time by `docker trust sign`: its first signer is who
 * is logged in at the registry, with the key of that name, made where there is none.
 */
export async function beginFor(
  session: Session,
  trust: TrustSession,
  image: Reference,
  name: string,
): Promise<void> {
  const login = await dockerCredentials(session.dockerConfig)(image.host);
  const user = login?.kind === 'password' ? login.username : '';
  const role = `targets/${user}`.replace(/\/$/, '');
  if (!parseSignerName(user).ok) {
    throw new TrustFailure(
      `could not add signer to repo: ${user === '' ? 'targets' : user}: tuf: invalid role ${role}. invalid delegation role name`,
      1,
      firstSigner(image, user),
    );
  }
  const key = tufKeyOf((await keyOf(session, trust, user)).publicKey);
  try {
    await addSigner(trust, { gun: image.repository, name: user, keys: [key] });
  } catch (error) {
    throw new TrustFailure(signingMessage(image, error));
  }
  session.talk.out(`Created signer: ${user}\n`);
  session.talk.out(`Finished initializing signed repository for ${name}\n`);
}

/**
 * What a person does who signs first and is not logged in under a signer's name. Docker says nothing of
 * it: the first signer of a repository is its login's user, or who was added before.
 */
function firstSigner({ host, repository }: Reference, user: string): string {
  const login =
    user === ''
      ? `log in, which names the repository's first signer (docker login ${host})`
      : `the login's user is no signer's name`;
  const add = `docker trust key generate NAME && docker trust signer add --key NAME.pub NAME ${repository}`;
  return `countersign: ${login}; or name one: ${add}; then sign again`;
}

async function keyOf(session: Session, trust: TrustSession, user: string): Promise<PrivateKey> {
  const { keys, open, fresh } = trust;
  const stored = (await keys.list()).find((one) => one.name === user && one.problem === null);
  if (stored !== undefined) return keys.open(stored, open);
  const key = await generateKey('ecdsa-p256');
  const notaryId = notaryKeyId(key.publicKey);
  const passphrase = await fresh({ subject: `key ${user}`, role: user, cosign: false, notaryId });
  await storeKey(session.dockerConfig, key, user, passphrase);
  return key;
}
