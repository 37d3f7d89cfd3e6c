import { CountersignError } from '../lib/errors.ts';
import type { Signer } from './key.ts';
import { isRepositoryRole } from './key-name.ts';
import { keyStore, labelOf } from './key-store.ts';
import type { SignerPorts } from './signers.ts';
import { openSigner } from './signers.ts';

/** Whose signature is asked for. */
export interface SignerChoice extends SignerPorts {
  /** The `--key` argument: a name or id of the key store, or a path; absent: the store's only signing key. */
  readonly key?: string | undefined;
}

const MAKE_ONE = 'make one with: countersign key generate NAME';

/**
 * Opens the signer that `--key` names or, without it, the only signing key of the key store (the keys
 * of Notary repositories do not count). Throws KEY_NOT_FOUND where there is none, and AMBIGUOUS with
 * the names to choose from where there are several: nobody signs by accident with another's key.
 */
export async function resolveSigner(choice: SignerChoice): Promise<Signer> {
  return openSigner(choice.key ?? (await onlyKey(choice.dockerConfig)), choice);
}

async function onlyKey(dockerConfig: string): Promise<string> {
  const store = keyStore(dockerConfig);
  const keys = (await store.list()).filter((stored) => !isRepositoryRole(stored.name));
  const [key, ...others] = keys;
  if (key === undefined) {
    throw new CountersignError('KEY_NOT_FOUND', `no signing key in ${store.folder}; ${MAKE_ONE}`);
  }
  if (others.length > 0) {
    const names = keys.map(labelOf);
    throw new CountersignError(
      'AMBIGUOUS',
      `${keys.length} signing keys are there; choose one with --key: ${names.join(', ')}`,
    );
  }
  return key.notaryId;
}
