import { basename, extname } from 'node:path';
import { parseKeyName } from '../../../src/keys/key-name.ts';
import { keyStore } from '../../../src/keys/key-store.ts';
import { openAsking } from '../../../src/keys/passphrase.ts';
import { readKeyFile } from '../../../src/keys/signers/file.ts';
import { CountersignError } from '../../../src/lib/errors.ts';
import type { Context } from '../../commands.ts';
import { dockerConfigFolder } from '../../../src/config/docker-folder.ts';
import { passphrases } from '../../passphrase.ts';

interface ImportOptions {
  readonly name?: string;
  readonly passphraseFile?: string;
  readonly newPassphraseFile?: string;
}

/** `key import`: opens a private key file of any kind and stores it as docker does. */
export async function runImport(
  context: Context,
  path: string,
  options: ImportOptions,
): Promise<void> {
  const { env } = context;
  const file = await readKeyFile(path);
  const name = nameFor(path, file.role, options.name);
  const store = keyStore(dockerConfigFolder(env));
  await store.checkFree(name);
  const { passphraseFile, newPassphraseFile: newFile } = options;
  const { open, fresh } = passphrases({ env, file: passphraseFile, newFile });
  const key = await openAsking(file, path, open);
  const passphrase = await fresh({ subject: `key ${name}`, role: name, cosign: false });
  const { notaryId, path: privateKey } = await store.add(key, name, passphrase);
  const { type, id } = key.publicKey;
  context.output().result(
    { name, type, keyId: id, notaryId, privateKey },
    `Imported the ${type} key ${name}
  private half  ${privateKey} (encrypted)
  key id        ${id}
Its public half: countersign key export ${name} --public`,
  );
}

function nameFor(path: string, role: string | null, asked: string | undefined): string {
  const stem = basename(path, extname(path));
  for (const candidate of asked === undefined ? [role ?? '', stem] : [asked]) {
    const name = parseKeyName(candidate);
    if (name.ok) return name.value;
    if (asked !== undefined) throw new CountersignError(name.refusal.code, name.refusal.message);
  }
  throw new CountersignError(
    'USAGE',
    `neither the file's role line nor its name (${basename(path)}) can name the key; give --name NAME`,
  );
}
