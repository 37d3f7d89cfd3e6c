import type { PublicKey } from '../src/keys/key.ts';
import { parsePublicKey } from '../src/keys/public-key.ts';
import { readBoundedFile } from '../src/lib/file.ts';
import { LIMITS } from '../src/lib/limits.ts';
import { unwrap } from '../src/lib/result.ts';

/** Reads the public key of a file. Throws KEY_INVALID, KEY_WEAK, and where the file cannot be read. */
export async function readPublicKey(path: string): Promise<PublicKey> {
  const { bytes } = unwrap(await readBoundedFile(path, LIMITS.keyFileBytes, 'KEY_INVALID'));
  return unwrap(parsePublicKey(bytes));
}
