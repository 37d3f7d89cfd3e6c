import { stat } from 'node:fs/promises';
import { notaryKeyId } from '../../../src/keys/notary-key-id.ts';
import { openAsking } from '../../../src/keys/passphrase.ts';
import { parsePrivateKeyFile } from '../../../src/keys/private-key-file.ts';
import { messageOf } from '../../../src/lib/errors.ts';
import { readBoundedFile } from '../../../src/lib/file.ts';
import { LIMITS } from '../../../src/lib/limits.ts';
import { unwrap } from '../../../src/lib/result.ts';
import { TrustFailure } from '../failure.ts';
import { checkKeyName } from '../names.ts';
import type { TrustCommand } from '../session.ts';
import { storeKey } from '../store-key.ts';

const DEFAULT_NAME = 'signer';

/**
 * `docker trust key load`. An encrypted file is opened, too: docker takes such a file unread, and where
 * it lacks a header line says that it succeeded and stores nothing.
 */
export const keyLoad: TrustCommand = {
  flags: { name: { kind: 'one' } },
  async run({ talk, dockerConfig, passphrases }, { rest, values }) {
    const [path = ''] = rest;
    const name = values.get('name')?.[0] ?? DEFAULT_NAME;
    if (name !== '') checkKeyName(name);
    talk.out(`Loading key from "${path}"...\n`);
    await refuseExposed(path);
    const read = await readBoundedFile(path, LIMITS.keyFileBytes, 'KEY_INVALID');
    if (!read.ok)
      throw new TrustFailure(`refusing to load key from ${path}: ${read.refusal.message}`);
    const file = parsePrivateKeyFile(read.value.bytes);
    if (!file.ok) {
      throw new TrustFailure(
        `error importing key from ${path}: provided file ${path} is not a supported private key - to add a signer's public key use docker trust signer add`,
      );
    }
    try {
      const role = name === '' ? DEFAULT_NAME : name;
      const key = await openAsking({ ...unwrap(file), role }, path, passphrases.open);
      const notaryId = notaryKeyId(key.publicKey);
      const request = { subject: `key ${role}`, role, cosign: false, notaryId };
      await storeKey(dockerConfig, key, role, await passphrases.fresh(request));
    } catch (error) {
      throw new TrustFailure(`error importing key from ${path}: ${messageOf(error)}`);
    }
    talk.out(`Successfully imported key from ${path}\n`);
  },
};

async function refuseExposed(path: string): Promise<void> {
  const refusing = `refusing to load key from ${path}`;
  let mode: number;
  try {
    ({ mode } = await stat(path));
  } catch (error) {
    const gone = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const why = gone ? 'no such file or directory' : messageOf(error);
    throw new TrustFailure(`${refusing}: stat ${path}: ${why}`);
  }
  if (process.platform === 'win32' || (mode & 0o066) === 0) return;
  throw new TrustFailure(
    `${refusing}: private key file ${path} must not be readable or writable by others`,
  );
}
