import type { KeyObject } from 'node:crypto';
import { createSecretKey, randomBytes } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { CompactEncrypt, compactDecrypt, decodeProtectedHeader } from 'jose';
import { createFile, readPrivateFile } from '../keys/private-file.ts';
import type { PrivateKey } from '../keys/private-key.ts';
import { pkcs8Of, privateKeyFromDer } from '../keys/private-key.ts';
import { decodeBase64, sha256Hex } from '../lib/bytes.ts';
import { CountersignError, codeOf } from '../lib/errors.ts';
import { unwrap } from '../lib/result.ts';

const KEY_BYTES = 32;

/** Where a master key is: written out, or in a file (`make`: one that is not there is made). */
export type MasterKeySource =
  { readonly text: string } | { readonly file: string; readonly make: boolean };

/** The key that the server's own keys are sealed under. What it holds is in a key object and never shown. */
export interface MasterKey {
  /** Names it without telling anything of it: 32 hex digits. */
  readonly id: string;
  /** A private key as a compact JWE. */
  seal(key: PrivateKey): Promise<string>;
  /** Opens what this key sealed. Throws MASTER_KEY_WRONG for what another one did, or what was altered. */
  open(sealed: string): Promise<PrivateKey>;
}

/** The id of the master key that something was sealed under; empty for what is no JWE. */
export function sealedUnder(sealed: string): string {
  try {
    return decodeProtectedHeader(sealed).kid ?? '';
  } catch {
    return '';
  }
}

/** Reads a master key: 32 bytes in base64, white space around it aside. Throws MASTER_KEY_INVALID, which never repeats the text. */
export function parseMasterKey(text: string): MasterKey {
  const bytes = decodeBase64(text.trim());
  if (bytes?.length === KEY_BYTES) return masterKeyOf(bytes);
  throw new CountersignError(
    'MASTER_KEY_INVALID',
    `expected a master key of ${KEY_BYTES} bytes in base64, found something else; make one with: countersign master-key generate FILE`,
  );
}

function masterKeyOf(bytes: Buffer): MasterKey {
  // A hash of a random key of 256 bits gives nothing of it away.
  const id = sha256Hex(Buffer.concat([Buffer.from('countersign master key\n'), bytes])).slice(
    0,
    32,
  );
  const secret = createSecretKey(bytes);
  return {
    id,
    seal: (key) =>
      new CompactEncrypt(pkcs8Of(key))
        .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: id })
        .encrypt(secret),
    open: (sealed) => open(sealed, secret, id),
  };
}

async function open(sealed: string, secret: KeyObject, id: string): Promise<PrivateKey> {
  const under = sealedUnder(sealed);
  if (under !== id)
    throw new CountersignError(
      'MASTER_KEY_WRONG',
      `expected the master key ${under.slice(0, 12)} that the server keys are sealed under, found ${id.slice(0, 12)}; give the service the right one`,
    );
  let der: Uint8Array;
  try {
    // The algorithms are ours, whatever the header says (RFC 8725 3.1).
    const { plaintext } = await compactDecrypt(sealed, secret, {
      keyManagementAlgorithms: ['dir'],
      contentEncryptionAlgorithms: ['A256GCM'],
    });
    der = plaintext;
  } catch {
    throw new CountersignError(
      'MASTER_KEY_WRONG',
      'a server key could not be opened with the master key: it was altered in the database',
    );
  }
  return unwrap(privateKeyFromDer(der, 'pkcs8'));
}

/** A new master key as text, for a file. */
export function newMasterKeyText(): string {
  return `${randomBytes(KEY_BYTES).toString('base64')}\n`;
}

/** Makes a file with a new master key, readable by its owner alone. Throws as {@link createFile}. */
export async function generateMasterKey(file: string): Promise<MasterKey> {
  const text = newMasterKeyText();
  await createFile(file, text, 0o600);
  return parseMasterKey(text);
}

/** Reads the master key, or makes its file where that is wanted. Throws MASTER_KEY_INVALID, KEY_FILE_EXPOSED, or as {@link createFile}. */
export async function loadMasterKey(source: MasterKeySource): Promise<MasterKey> {
  if ('text' in source) return parseMasterKey(source.text);
  if (source.make && !(await isThere(source.file))) {
    try {
      return await generateMasterKey(source.file);
    } catch (error) {
      // Another process made it meanwhile.
      if (codeOf(error) !== 'KEY_EXISTS') throw error;
    }
  }
  const content = await readPrivateFile(source.file);
  if (!content.ok && (await isGone(source.file))) throw gone(source.file);
  if (!content.ok) throw new CountersignError('MASTER_KEY_INVALID', content.refusal.message);
  const { bytes, exposed } = content.value;
  if (exposed !== null) throw new CountersignError(exposed.code, exposed.message);
  return parseMasterKey(bytes.toString('latin1'));
}

function gone(file: string): CountersignError {
  return new CountersignError(
    'MASTER_KEY_INVALID',
    `expected the master key in ${file}, found no such file; the server keys in the database are sealed under it: put its copy back (docs/operations.md says what is left without one), or, where there are none yet, make it with: countersign master-key generate ${file}`,
  );
}

async function isGone(file: string): Promise<boolean> {
  return stat(file).then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === 'ENOENT',
  );
}

async function isThere(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch {
    return false;
  }
}
