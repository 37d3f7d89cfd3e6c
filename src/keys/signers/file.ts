import { signAsync } from '@noble/ed25519';
import { CountersignError } from '../../lib/errors.ts';
import { unwrap } from '../../lib/result.ts';
import type { Signer } from '../key.ts';
import { keyStore } from '../key-store.ts';
import type { PassphraseSource } from '../passphrase.ts';
import { openAsking } from '../passphrase.ts';
import { readPrivateFile } from '../private-file.ts';
import type { PrivateKeyFile } from '../private-key-file.ts';
import { parsePrivateKeyFile } from '../private-key-file.ts';
import type { PrivateKey } from '../private-key.ts';
import { ed25519Seed, signWithNode } from '../private-key.ts';

/** Signs with an opened private key: Ed25519 by @noble/ed25519, the others by node:crypto. */
export function fileSigner(key: PrivateKey): Signer {
  const { publicKey } = key;
  if (publicKey.type === 'ed25519') {
    const seed = ed25519Seed(key);
    return { publicKey, sign: (bytes) => signAsync(bytes, seed) };
  }
  return { publicKey, sign: (bytes) => Promise.resolve(signWithNode(key.key, publicKey, bytes)) };
}

/** True where `--key` means a file and not a name of the key store: it has a slash, or ends as key files do. */
export function isPath(reference: string): boolean {
  return /[/\\]|\.(?:pem|key)$/.test(reference);
}

/** Opens the key that a path, or a name or id of the key store, means. Throws KEY_NOT_FOUND, KEY_FILE_EXPOSED, PASSPHRASE_WRONG and the like. */
export async function openKey(
  reference: string,
  dockerConfig: string,
  passphrase: PassphraseSource,
): Promise<PrivateKey> {
  if (isPath(reference)) {
    return openAsking(await readKeyFile(reference), reference, passphrase);
  }
  const store = keyStore(dockerConfig);
  return store.open(await store.find(reference), passphrase);
}

/** Reads a private key file by its path, without opening it. Throws KEY_FILE_EXPOSED, KEY_INVALID. */
export async function readKeyFile(path: string): Promise<PrivateKeyFile> {
  const { bytes, exposed } = unwrap(await readPrivateFile(path));
  const file = parsePrivateKeyFile(bytes);
  // First what it is: a public key that everybody can read is no exposed key, but a wrong argument.
  if (!file.ok) throw new CountersignError(file.refusal.code, `${path}: ${file.refusal.message}`);
  if (exposed !== null) throw new CountersignError(exposed.code, exposed.message);
  return file.value;
}
