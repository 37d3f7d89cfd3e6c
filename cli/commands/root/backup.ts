import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { dockerConfigFolder } from '../../../src/config/docker-folder.ts';
import { isRepositoryRole } from '../../../src/keys/key-name.ts';
import { keyStore } from '../../../src/keys/key-store.ts';
import { encodePem } from '../../../src/keys/pem.ts';
import { createFile } from '../../../src/keys/private-file.ts';
import { parsePrivateKeyFile } from '../../../src/keys/private-key-file.ts';
import type { StoredKey } from '../../../src/keys/stored-key.ts';
import { labelOf } from '../../../src/keys/stored-key.ts';
import { CountersignError } from '../../../src/lib/errors.ts';
import { readBoundedFile } from '../../../src/lib/file.ts';
import { unwrap } from '../../../src/lib/result.ts';
import type { Context } from '../../commands.ts';

/** The options of `root backup`. */
export interface BackupFlags {
  readonly out?: string;
  readonly all?: boolean;
}

/** A key's file as it goes into the backup. */
interface Copy {
  readonly key: StoredKey;
  readonly text: string;
}

/** `root backup`: copies keys without opening them, and reads back what was written. */
export async function runBackup(
  context: Context,
  file: string | undefined,
  { out, all = false }: BackupFlags,
): Promise<void> {
  if ((file === undefined) === (out === undefined)) {
    throw new CountersignError('USAGE', 'expected either a file or --out DIR');
  }
  const store = keyStore(dockerConfigFolder(context.env));
  const keys = (await store.list()).filter(({ name }) => name === 'root' || all);
  if (keys.length === 0) {
    throw new CountersignError('KEY_NOT_FOUND', `no root key in ${store.folder}`);
  }
  const copies = keys.map(copyOf);
  const written = file === undefined ? await writeEach(out ?? '', copies) : [file];
  if (file !== undefined)
    await writeChecked(
      file,
      copies.map(({ text }) => text),
    );
  const data = keys.map((key) => ({
    name: key.name,
    repository: key.gun,
    notaryId: key.notaryId,
  }));
  context
    .output()
    .result({ keys: data, files: written }, () =>
      [
        ...keys.map(describe),
        `Copied ${keys.length === 1 ? 'it' : `these ${keys.length} keys`} to ${file ?? out}; keep the passphrases elsewhere.`,
      ].join('\n'),
    );
}

/** The file as Notary exports it: the `path` line says where in the store it belongs. */
function copyOf(key: StoredKey): Copy {
  const { file, problem, path } = key;
  if (problem !== null) throw new CountersignError(problem.code, problem.message);
  if (file.encryption === null) {
    throw new CountersignError(
      'KEY_FILE_EXPOSED',
      `${path} is not encrypted, and a copy would not be either; store it under a passphrase first: countersign key import ${path}`,
    );
  }
  const headers = new Map(file.block.headers);
  headers.set('path', key.notaryId);
  const sorted = [...headers].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const text = encodePem(file.block.label, file.block.bytes, Object.fromEntries(sorted));
  return { key, text };
}

async function writeEach(folder: string, copies: readonly Copy[]): Promise<readonly string[]> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const files: string[] = [];
  for (const { key, text } of copies) {
    const path = join(folder, `${key.notaryId}.key`);
    await writeChecked(path, [text]);
    files.push(path);
  }
  return files;
}

/** A backup that cannot be read when it is needed is none. */
async function writeChecked(path: string, texts: readonly string[]): Promise<void> {
  const text = texts.join('');
  await createFile(path, text, 0o600);
  // All keys of a store in one file may be more than one key's file is.
  const { bytes } = unwrap(
    await readBoundedFile(path, Buffer.byteLength(text), 'STORE_UNAVAILABLE'),
  );
  for (const one of texts) unwrap(parsePrivateKeyFile(Buffer.from(one)));
  if (bytes.toString() === text) return;
  throw new CountersignError(
    'STORE_UNAVAILABLE',
    `expected to read from ${path} what was written, found something else`,
  );
}

function describe(key: StoredKey): string {
  const what = isRepositoryRole(key.name) ? `${key.name} key` : `key of ${labelOf(key)}`;
  return `  ${key.notaryId.slice(0, 12)}  ${what}${key.gun === null ? '' : ` of ${key.gun}`}`;
}
