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

/** A key of a role that a repository gets. */
export interface OwnKey {
  readonly signer: Signer;
  /** Stores a key that was made just now, encrypted, before anybody hears of it; of one that was there, nothing. */
  keep(): Promise<void>;
  /** Takes out again what {@link keep} stored: the key is nobody's. */
  drop(): Promise<void>;
}

/** The usable keys of a role in the store, in the order in which they are tried. */
export async function storedKeysOf(
  { keys }: TrustSession,
  place: RepositoryPlace,
): Promise<readonly StoredKey[]> {
  const candidates = (await keys.list()).filter(
    ({ name, gun, problem }) => name === place.role && gun === place.gun && problem === null,
  );
  // Several root keys may be there: the first by its id, every time.
  return candidates.toSorted((a, b) => (a.notaryId < b.notaryId ? -1 : 1));
}

/** The key of a role that a repository gets: the stored one, opened, else a new one, which is not stored yet. Throws what opening keys and asking for passphrases throws. */
export async function ownKey(session: TrustSession, place: RepositoryPlace): Promise<OwnKey> {
  for (const stored of await storedKeysOf(session, place)) {
    const signer = fileSigner(await session.keys.open(stored, session.open));
    // Root certificates are of P-256 keys; docker's own are.
    if (signer.publicKey.type !== 'ecdsa-p256') continue;
    return { signer, keep: () => Promise.resolve(), drop: () => Promise.resolve() };
  }
  return newKey(session, place);
}

/** Makes a P-256 key and stores it, encrypted, before anybody hears of it. */
export async function makeKey(
  session: TrustSession,
  place: RepositoryPlace,
): Promise<{ readonly signer: Signer }> {
  const made = await newKey(session, place);
  await made.keep();
  return made;
}

/** Makes a P-256 key and asks for its passphrase. */
async function newKey(session: TrustSession, place: RepositoryPlace): Promise<OwnKey> {
  const key = await generateKey('ecdsa-p256');
  const notaryId = notaryKeyId(key.publicKey);
  const subject = subjectOf({ name: place.role, notaryId });
  const passphrase = await session.fresh({ subject, role: place.role, cosign: false });
  // Several repositories that begin at once may share a root key.
  let storing: Promise<StoredKey> | null = null;
  const store = async (): Promise<StoredKey> => {
    const stored = await session.keys.addForRepository(key, place, passphrase);
    if (place.role === 'root') {
      session.note(
        `made the root key ${notaryId.slice(0, 12)} (${stored.path}): keep a copy of it offline; whoever loses it can never change who signs`,
      );
    }
    return stored;
  };
  return {
    signer: fileSigner(key),
    async keep() {
      storing ??= store();
      await storing;
    },
    async drop() {
      const stored = await storing;
      storing = null;
      if (stored !== null) await session.keys.remove(stored);
    },
  };
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
