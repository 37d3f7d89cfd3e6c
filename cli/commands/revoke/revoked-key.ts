import { keyStore } from '../../../src/keys/key-store.ts';
import { keyIdOf } from '../../../src/keys/stored-key.ts';
import { CountersignError } from '../../../src/lib/errors.ts';
import { readPublicKey } from '../../public-key-file.ts';

const ID = /^[0-9a-f]{64}$/;
/** As long as the ids that tables and verdicts show. */
const SHOWN_ID = /^[0-9a-f]{12,64}$/;

/**
 * The id of the key that `--key` names: its own id or Notary's, whole, or its first 12 digits or more where
 * the key is in the key store; or its public key file. Of a key that is not here a whole id is taken as it
 * is: the Countersign knows those of its policies under both. Throws AMBIGUOUS, and as `readPublicKey` does.
 */
export async function revokedKey(key: string, dockerConfig: string): Promise<string> {
  if (SHOWN_ID.test(key)) {
    const found = new Set<string>();
    for (const stored of await keyStore(dockerConfig).list()) {
      const id = await keyIdOf(stored);
      if (stored.notaryId.startsWith(key) || id?.startsWith(key) === true)
        found.add(id ?? stored.notaryId);
    }
    const [id, ...others] = found;
    if (others.length > 0) {
      throw new CountersignError(
        'AMBIGUOUS',
        `${found.size} keys answer to ${key}; name the whole id: ${[...found].join(', ')}`,
      );
    }
    if (id !== undefined) return id;
    if (ID.test(key)) return key;
  }
  return (await readPublicKey(key)).id;
}
