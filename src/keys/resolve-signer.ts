import { basename, extname } from 'node:path';
import { CountersignError } from '../lib/errors.ts';
import type { Signer } from './key.ts';
import { isRepositoryRole, parseKeyName } from './key-name.ts';
import { keyStore } from './key-store.ts';
import type { SignerPorts } from './signers.ts';
import { openSigner } from './signers.ts';
import { isPath, readKeyFile } from './signers/file.ts';
import { labelOf } from './stored-key.ts';

/** Whose signature is asked for. */
export interface SignerChoice extends SignerPorts {
  /** The `--key` argument: a name or id of the key store, or a path; absent: the store's only signing key. */
  readonly key?: string | undefined;
}

const MAKE_ONE = 'make one with: countersign key generate NAME';

/** A signer, and what it is called: the name of its role in a Notary repository. */
export interface NamedSigner extends Signer {
  /** The key's name in the store, or of its file; `null` where neither is a signer's name. */
  readonly name: string | null;
}

/**
 * Opens the signer that `--key` names or, without it, the only signing key of the key store (the keys
 * of Notary repositories do not count). Throws KEY_NOT_FOUND where there is none, and AMBIGUOUS with
 * the names to choose from where there are several: nobody signs by accident with another's key.
 */
export async function resolveSigner(choice: SignerChoice): Promise<NamedSigner> {
  const reference = choice.key ?? (await onlyKey(choice.dockerConfig));
  const signer = await openSigner(reference, choice);
  const candidates = isPath(reference)
    ? [(await readKeyFile(reference)).role, basename(reference, extname(reference))]
    : [(await keyStore(choice.dockerConfig).find(reference)).name];
  const name = candidates.find((text) => text !== null && parseKeyName(text).ok);
  return { ...signer, name: name ?? null };
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
