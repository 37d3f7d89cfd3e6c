import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { dockerConfigFolder } from '../../../src/config/docker-folder.ts';
import { generateKey } from '../../../src/keys/generate.ts';
import type { KeyType, PublicKey } from '../../../src/keys/key.ts';
import { parseKeyName } from '../../../src/keys/key-name.ts';
import { keyStore } from '../../../src/keys/key-store.ts';
import { createFile } from '../../../src/keys/private-file.ts';
import { publicKeyPem } from '../../../src/keys/public-key.ts';
import type { StoredKey } from '../../../src/keys/stored-key.ts';
import { CountersignError } from '../../../src/lib/errors.ts';
import { unwrap } from '../../../src/lib/result.ts';
import type { Context } from '../../commands.ts';
import { passphrases } from '../../passphrase.ts';

/** What `--type` may say. */
export const KEY_TYPES: readonly KeyType[] = ['ed25519', 'ecdsa-p256', 'ecdsa-p384', 'rsa'];

interface GenerateOptions {
  readonly type: KeyType;
  readonly out: string;
  readonly passphraseFile?: string;
}

/** `key generate`: checks all names first, so that a refusal leaves nothing behind. */
export async function runGenerate(
  context: Context,
  name: string,
  options: GenerateOptions,
): Promise<void> {
  unwrap(parseKeyName(name));
  const store = keyStore(dockerConfigFolder(context.env));
  await store.checkFree(name);
  const publicPath = join(options.out, `${name}.pub`);
  checkPublicPath(options.out, publicPath);
  const { fresh } = passphrases({ env: context.env, file: options.passphraseFile });
  const passphrase = await fresh({ subject: `key ${name}`, role: name, cosign: false });
  const key = await generateKey(options.type);
  const stored = await store.add(key, name, passphrase);
  try {
    await createFile(publicPath, publicKeyPem(key.publicKey), 0o644);
  } catch (error) {
    // A private key whose public half nobody has is of no use.
    await store.remove(stored);
    throw error;
  }
  const { type, id } = key.publicKey;
  const { notaryId, path } = stored;
  context
    .output()
    .result({ name, type, keyId: id, notaryId, privateKey: path, publicKey: publicPath }, () =>
      report(name, key.publicKey, stored, publicPath),
    );
}

function checkPublicPath(folder: string, path: string): void {
  if (!existsSync(folder)) {
    throw new CountersignError('USAGE', `expected a folder at ${folder} (--out), found none`);
  }
  if (existsSync(path)) {
    throw new CountersignError(
      'KEY_EXISTS',
      `${path} is already there; choose another name or folder (--out), or move it away`,
    );
  }
}

function report(name: string, key: PublicKey, stored: StoredKey, publicPath: string): string {
  const shared =
    key.type === 'ecdsa-p256'
      ? ''
      : '\ndocker, cosign 3 and notation sign with ECDSA P-256 keys: for a key that they share, use --type ecdsa-p256.\n';
  return `Made the ${key.type} key ${name}
  private half  ${stored.path} (encrypted)
  public half   ${publicPath}
  key id        ${key.id}
  Notary's id   ${stored.notaryId}
${shared}
Next, name it in a policy (the path is relative to the policy's file):

  authorities:
    - name: ${name}
      keys: [keys/${name}.pub]

and sign with it:

  countersign sign --key ${name} registry.example.com/prod/app:1.2`;
}
