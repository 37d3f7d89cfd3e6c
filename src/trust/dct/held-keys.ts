import type { Signer } from '../../keys/key.ts';
import type { KeyStore } from '../../keys/key-store.ts';
import type { PassphraseSource } from '../../keys/passphrase.ts';
import { fileSigner } from '../../keys/signers/file.ts';
import type { StoredKey } from '../../keys/stored-key.ts';
import { CountersignError } from '../../lib/errors.ts';
import type { TufSigner } from '../../tuf/build.ts';
import type { TufKey } from '../../tuf/public-key.ts';
import { canonicalKeyId } from '../../tuf/public-key.ts';
import type { SigningRole } from '../../tuf/threshold.ts';

/** The private keys at hand: docker's key store, and a signer that was opened already. */
export interface HeldKeys {
  /** True where a listed key's private half is here; opens nothing. */
  holds(key: TufKey): Promise<boolean>;
  /**
   * Enough signers for a role: the chosen one, where the role lists it and one suffices, else the
   * store's. Throws NO_SIGNING_KEY where too few are here, and what opening a key throws.
   */
  signersOf(role: SigningRole, chosen?: Signer | null): Promise<readonly TufSigner[]>;
}

/** Reads the key store as keys are asked for; each is opened once. */
export function heldKeys(store: KeyStore, passphrase: PassphraseSource): HeldKeys {
  const opened = new Map<string, Promise<Signer>>();
  const find = async (key: TufKey): Promise<StoredKey | null> => store.byId(canonicalKeyId(key));
  const open = async (key: TufKey): Promise<Signer | null> => {
    const id = canonicalKeyId(key);
    const stored = opened.has(id) ? null : await find(key);
    if (stored !== null) {
      const opening = store.open(stored, passphrase).then(fileSigner);
      opened.set(id, opening);
      opening.catch(() => opened.delete(id));
    }
    return (await opened.get(id)) ?? null;
  };
  return {
    holds: async (key) => key.key !== null && (await find(key)) !== null,
    async signersOf(role, chosen = null) {
      const keys = [...role.keys.values()].filter(({ key }) => key !== null);
      const own = keys.find(({ key }) => key?.id === chosen?.publicKey.id);
      const out: TufSigner[] = [];
      const distinct = new Set<string>();
      const add = (key: TufKey, signer: Signer | null): void => {
        if (signer === null) return;
        out.push({ keyid: key.id, signer });
        distinct.add(signer.publicKey.id);
      };
      if (own !== undefined && chosen !== null) add(own, chosen);
      for (const key of keys) {
        if (distinct.size >= role.threshold) break;
        if (key !== own) add(key, await open(key));
      }
      if (distinct.size >= role.threshold) return out;
      const ids = keys.map(canonicalKeyId).join(', ');
      throw new CountersignError(
        'NO_SIGNING_KEY',
        `could not find necessary signing keys for ${role.name}, at least ${role.threshold === 1 ? 'one' : role.threshold} of these keys must be available: ${ids}`,
      );
    },
  };
}
