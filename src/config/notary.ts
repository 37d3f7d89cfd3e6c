import { join, resolve } from 'node:path';
import { quote } from '../lib/quote.ts';
import type { NotaryConfig } from './config.ts';
import type { Problems } from './problems.ts';
import type { Written, WrittenConfig } from './written.ts';

/** Where the service keeps the master key that it makes where none is configured. */
const OWN_FILE = 'master.key';
const KEY_TYPES: readonly NotaryConfig['keyType'][] = ['ecdsa-p256', 'ed25519'];

/**
 * Reads how the Notary v1 service keeps its keys: under the key of a variable, of a file, or of one
 * in the data folder that the service makes for itself. What the variable holds is never repeated.
 */
export function readNotary(
  written: WrittenConfig,
  masterKey: Written | undefined,
  data: string,
  problems: Problems,
): NotaryConfig {
  const { masterKeyFile, keyType } = written;
  if (masterKey !== undefined && masterKeyFile !== undefined) {
    problems.add(
      masterKeyFile.at,
      `expected a master key in a file or in ${masterKey.at}, found both; remove one`,
    );
  }
  const type = KEY_TYPES.find((one) => one === (keyType?.text ?? KEY_TYPES[0]));
  if (type === undefined && keyType !== undefined)
    problems.add(
      keyType.at,
      `expected ${KEY_TYPES.join(' or ')}, found ${quote(keyType.text, 40)}`,
    );
  return {
    keyType: type ?? 'ecdsa-p256',
    masterKey:
      masterKey !== undefined
        ? { text: masterKey.text }
        : masterKeyFile !== undefined
          ? { file: resolve(masterKeyFile.base, masterKeyFile.text), make: false }
          : { file: join(data, OWN_FILE), make: true },
  };
}
