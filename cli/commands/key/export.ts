import { dockerConfigFolder } from '../../../src/config/docker-folder.ts';
import { keyStore } from '../../../src/keys/key-store.ts';
import { notaryKeyId } from '../../../src/keys/notary-key-id.ts';
import type { PassphraseSource } from '../../../src/keys/passphrase.ts';
import { createFile } from '../../../src/keys/private-file.ts';
import type { PrivateKey } from '../../../src/keys/private-key.ts';
import {
  cosignKeyFile,
  dockerExportFile,
  pkcs8KeyFile,
} from '../../../src/keys/private-key-file.ts';
import { publicKeyPem } from '../../../src/keys/public-key.ts';
import type { StoredKey } from '../../../src/keys/stored-key.ts';
import { labelOf } from '../../../src/keys/stored-key.ts';
import type { Context } from '../../commands.ts';
import { passphrases } from '../../passphrase.ts';

type Format = 'docker' | 'cosign' | 'pkcs8';

interface ExportOptions {
  readonly format: Format;
  readonly out?: string;
  readonly public?: boolean;
  readonly passphraseFile?: string;
  readonly newPassphraseFile?: string;
}

/** `key export`: a private key goes to a new file that only its owner may read, never to stdout. */
export async function runExport(
  context: Context,
  nameOrId: string,
  options: ExportOptions,
): Promise<void> {
  const { env } = context;
  const store = keyStore(dockerConfigFolder(env));
  const stored = await store.find(nameOrId);
  const label = labelOf(stored);
  const { passphraseFile, newPassphraseFile: newFile } = options;
  const { open, fresh } = passphrases({ env, file: passphraseFile, newFile });
  const key = await store.open(stored, open);
  if (options.public === true) {
    await exportPublic(context, label, key, options.out);
    return;
  }
  const out = options.out ?? fileName(stored);
  const { format } = options;
  await createFile(out, await encode(key, stored, format, fresh), 0o600);
  const output = context.output();
  if (format === 'pkcs8') output.warn(`${out} is not encrypted: whoever reads it can sign`);
  output.result(
    { name: label, format, file: out, keyId: key.publicKey.id },
    `Wrote the private key ${label} to ${out}${HINTS[format](out)}`,
  );
}

const HINTS: Readonly<Record<Format, (file: string) => string>> = {
  docker: (file) => `\nElsewhere: docker trust key load ${file}, or countersign key import ${file}`,
  cosign: (file) => `\nUse it with: cosign sign --key ${file} IMAGE`,
  pkcs8: () => '',
};

async function encode(
  key: PrivateKey,
  stored: StoredKey,
  format: Format,
  fresh: PassphraseSource,
): Promise<string> {
  const role = labelOf(stored);
  const subject = `the exported key ${role}`;
  switch (format) {
    case 'docker': {
      const passphrase = await fresh({ subject, role, cosign: false });
      return dockerExportFile(key, { role, gun: stored.gun }, passphrase);
    }
    case 'cosign':
      return cosignKeyFile(key, await fresh({ subject, role, cosign: true }));
    case 'pkcs8':
      return pkcs8KeyFile(key);
  }
}

/** The role line of a file that something else wrote may say `../x`: then the id names the file. */
function fileName(stored: StoredKey): string {
  const label = labelOf(stored);
  return `${/^[A-Za-z0-9_-]{1,64}$/.test(label) ? label : stored.notaryId.slice(0, 12)}.key`;
}

async function exportPublic(
  context: Context,
  name: string,
  key: PrivateKey,
  out: string | undefined,
): Promise<void> {
  const pem = publicKeyPem(key.publicKey);
  if (out !== undefined) await createFile(out, pem, 0o644);
  const { id, type } = key.publicKey;
  context
    .output()
    .result(
      { name, type, keyId: id, notaryId: notaryKeyId(key.publicKey), publicKey: pem },
      out === undefined ? pem : `Wrote the public key ${name} to ${out}`,
    );
}
