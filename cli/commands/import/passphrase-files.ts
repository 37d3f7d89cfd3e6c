import { LIMITS } from '../../../src/lib/limits.ts';
import { CountersignError } from '../../../src/lib/errors.ts';
import { quote } from '../../../src/lib/quote.ts';
import { readBoundedFile } from '../../../src/lib/file.ts';
import type { Passphrases } from '../../../src/import/open-keys.ts';
import { passphraseVariable } from '../../../src/import/open-keys.ts';

/**
 * The passphrases of a signer's aliases: from `--passphrase-file ALIAS=FILE`, else from the variable
 * that notary-signer itself reads. Throws USAGE for another form, or a file that cannot be read.
 */
export async function signerPassphrases(
  given: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<Passphrases> {
  const known = new Map<string, string>();
  for (const one of given) {
    const at = one.indexOf('=');
    const alias = one.slice(0, at).toLowerCase();
    if (at < 1 || known.has(alias)) {
      // Not what was found: it may be the passphrase itself.
      const found = at < 1 ? 'something else' : `${quote(alias, 60)} twice`;
      throw new CountersignError('USAGE', `expected --passphrase-file ALIAS=FILE, found ${found}`);
    }
    const file = await readBoundedFile(one.slice(at + 1), LIMITS.keyFileBytes, 'USAGE');
    if (!file.ok) {
      throw new CountersignError(
        'USAGE',
        `expected a file that can be read for alias ${quote(alias, 60)} behind --passphrase-file, found none`,
      );
    }
    known.set(alias, file.value.bytes.toString().split(/\r?\n/, 1)[0] ?? '');
  }
  return (alias) => {
    // Variables are in capitals: the signer cannot tell two aliases apart that differ in nothing else.
    const value = known.get(alias.toLowerCase()) ?? env[passphraseVariable(alias)] ?? '';
    return value === '' ? null : value;
  };
}
