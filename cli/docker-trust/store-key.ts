import { join } from 'node:path';
import { keyStore } from '../../src/keys/key-store.ts';
import { isRepositoryRole } from '../../src/keys/key-name.ts';
import { notaryKeyId } from '../../src/keys/notary-key-id.ts';
import { createFile, makePrivateFolder } from '../../src/keys/private-file.ts';
import { dockerKeyFile } from '../../src/keys/private-key-file.ts';
import type { PrivateKey } from '../../src/keys/private-key.ts';
import { TrustFailure } from './failure.ts';

/**
 * Stores a key as docker does, where several may have one name: a signer who changes keys has both for
 * a while. What is there already stays. Refuses the names of a repository's own keys, which docker
 * takes and then takes the key for one of them.
 */
export async function storeKey(
  dockerConfig: string,
  key: PrivateKey,
  name: string,
  passphrase: string,
): Promise<void> {
  if (isRepositoryRole(name)) {
    throw new TrustFailure(`${name} is a reserved keyword, use a different key name`);
  }
  const store = keyStore(dockerConfig);
  const id = notaryKeyId(key.publicKey);
  if ((await store.list()).some((stored) => stored.notaryId === id)) return;
  await makePrivateFolder(store.folder);
  await createFile(
    join(store.folder, `${id}.key`),
    await dockerKeyFile(key, name, passphrase),
    0o600,
  );
}
