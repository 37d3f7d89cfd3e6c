import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { generateKey } from '../../../src/keys/generate.ts';
import { notaryKeyId } from '../../../src/keys/notary-key-id.ts';
import { encodePem } from '../../../src/keys/pem.ts';
import { createFile } from '../../../src/keys/private-file.ts';
import { spkiOf } from '../../../src/keys/public-key.ts';
import { messageOf } from '../../../src/lib/errors.ts';
import { TrustFailure } from '../failure.ts';
import { checkKeyName } from '../names.ts';
import type { TrustCommand } from '../session.ts';
import { storeKey } from '../store-key.ts';

/** `docker trust key generate`: an ECDSA P-256 key, as docker makes it. */
export const keyGenerate: TrustCommand = {
  flags: { dir: { kind: 'one' } },
  async run({ talk, dockerConfig, passphrases }, { rest, values }) {
    const [name = ''] = rest;
    const given = values.get('dir')?.[0] ?? '';
    const folder = given === '' ? process.cwd() : given;
    checkKeyName(name);
    if (!existsSync(folder)) {
      throw new TrustFailure(`public key path does not exist: "${folder}"`);
    }
    const file = join(folder, `${name}.pub`);
    if (existsSync(file)) throw new TrustFailure(`public key file already exists: "${file}"`);
    talk.out(`Generating key for ${name}...\n`);
    const key = await generateKey('ecdsa-p256');
    const notaryId = notaryKeyId(key.publicKey);
    try {
      const subject = `key ${name}`;
      const request = { subject, role: name, cosign: false, notaryId };
      await storeKey(dockerConfig, key, name, await passphrases.fresh(request));
    } catch (error) {
      talk.out(`${messageOf(error)}\n`);
      throw new TrustFailure(`failed to generate key for ${name}: ${messageOf(error)}`);
    }
    const pem = encodePem('PUBLIC KEY', spkiOf(key.publicKey.key), { role: name });
    // Docker's own mode for it.
    await createFile(file, pem, 0o600);
    talk.out(
      `Successfully generated and loaded private key. Corresponding public key available: ${file}\n`,
    );
  },
};
