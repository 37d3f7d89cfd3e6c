import { generateKey } from '../../keys/generate.ts';
import type { Signer } from '../../keys/key.ts';
import type { RepositoryPlace } from '../../keys/key-store.ts';
import { notaryKeyId } from '../../keys/notary-key-id.ts';
import { fileSigner } from '../../keys/signers/file.ts';
import type { StoredKey } from '../../keys/stored-key.ts';
import { subjectOf } from '../../keys/stored-key.ts';
import { CountersignError } from '../../lib/errors.ts';
import { unwrap } from '../../lib/result.ts';
import type { Repository } from '../../oci/reference.ts';
import type { TufSigner } from '../../tuf/build.ts';
import type { TufKey } from '../../tuf/public-key.ts';
import { rootCertificateKey } from '../../tuf/root-certificate.ts';
import type { TrustSession } from './session.ts';

/** A key with its listing, and whether it was made just now. */
export interface OwnKey {
  readonly key: TufKey;
  readonly signer: Signer;
  readonly stored: StoredKey;
  readonly made: boolean;
}

/** The key of a role that a repository gets: the stored one, else a new one, which is stored first. Throws what opening and storing keys throws. */
export async function ownKey(
  session: TrustSession,
  place: RepositoryPlace,
): Promise<Omit<OwnKey, 'key'>> {
  const { keys, open } = session;
  // Root certificates are of P-256 keys; docker's own are. Several root keys may be there: the first
  // by its id, every time.
  const candidates = (await keys.list()).filter(
    ({ name, gun, problem }) => name === place.role && gun === place.gun && problem === null,
  );
  for (const stored of candidates.toSorted((a, b) => (a.notaryId < b.notaryId ? -1 : 1))) {
    const signer = fileSigner(await keys.open(stored, open));
    if (signer.publicKey.type === 'ecdsa-p256') return { signer, stored, made: false };
  }
  return makeKey(session, place);
}

/** Makes a P-256 key and stores it, encrypted, before anybody hears of it. */
export async function makeKey(
  session: TrustSession,
  place: RepositoryPlace,
): Promise<Omit<OwnKey, 'key'>> {
  const key = await generateKey('ecdsa-p256');
  const notaryId = notaryKeyId(key.publicKey);
  const subject = subjectOf({ name: place.role, notaryId });
  const passphrase = await session.fresh({ subject, role: place.role, cosign: false });
  const stored = await session.keys.addForRepository(key, place, passphrase);
  if (place.role === 'root') {
    session.note(
      `made the root key ${notaryId.slice(0, 12)} (${stored.path}): keep a copy of it offline; whoever loses it can never change who signs`,
    );
  }
  return { signer: fileSigner(key), stored, made: true };
}

/** A repository's root certificate over a root key. Throws KEY_INVALID for a key that docker could not read. */
export async function certify(
  gun: Repository,
  signer: Signer,
  now: Date,
): Promise<{ readonly key: TufKey; readonly signer: TufSigner }> {
  const made = await rootCertificateKey(gun, signer, now);
  if (!made.ok) throw new CountersignError('KEY_INVALID', made.refusal.message);
  const key = unwrap(made);
  return { key, signer: { keyid: key.id, signer } };
}
