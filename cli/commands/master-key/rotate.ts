import { readFile, rm, stat } from 'node:fs/promises';
import { CountersignError } from '../../../src/lib/errors.ts';
import { replaceFile } from '../../../src/lib/file.ts';
import { unwrap } from '../../../src/lib/result.ts';
import { systemClock } from '../../../src/lib/time.ts';
import type { MasterKey } from '../../../src/notary/master-key.ts';
import type { Context } from '../../commands.ts';
import { operator } from '../../operator.ts';

/** Flags of `master-key rotate`. */
export interface RotateFlags {
  readonly config?: string;
  readonly data?: string;
  readonly newKeyFile?: string;
}

/**
 * Runs `master-key rotate`: the new key is on disk before the database needs it, and takes the old one's
 * place after the database no longer does. Wherever that ends, the next run goes on from there.
 */
export async function runRotate(context: Context, flags: RotateFlags): Promise<void> {
  const { loadConfig } = await import('../../../src/config/load.ts');
  const { loadMasterKey } = await import('../../../src/notary/master-key.ts');
  const { rotateMasterKey } = await import('../../../src/notary/rotate-master-key.ts');
  const { openStore } = await import('../../../src/store/open.ts');
  const { data, store, notary } = unwrap(
    await loadConfig({
      file: flags.config,
      flags: flags.data === undefined ? {} : { data: flags.data },
      env: context.env,
    }),
  );
  const { masterKey: source } = notary;
  const present = 'file' in source ? source.file : null;
  const place = flags.newKeyFile ?? (present === null ? null : `${present}.new`);
  if (place === null)
    throw new CountersignError(
      'USAGE',
      'the master key is in COUNTERSIGN_MASTER_KEY, which no command can change; name the new one with --new-key-file',
    );
  const from = await loadMasterKey('file' in source ? { ...source, make: false } : source);
  await requireData(data);
  const kept = await openStore({ data, store, clock: systemClock });
  let to: MasterKey;
  let keys: number;
  try {
    to = await loadMasterKey({ file: place, make: true });
    keys = await rotateMasterKey(kept, { from, to }, operator());
  } finally {
    await kept.close();
  }
  if (flags.newKeyFile === undefined && present !== null) await takePlace(place, present);
  const then =
    flags.newKeyFile === undefined
      ? ''
      : `\nName ${place} in the configuration (notary.masterKeyFile) before you start the service.`;
  context
    .output()
    .result(
      { keys, from: from.id, to: to.id, file: flags.newKeyFile ?? present },
      `Sealed ${keys} server ${keys === 1 ? 'key' : 'keys'} under master key ${to.id.slice(0, 12)}.${then}`,
    );
}

/** A folder that is named wrongly is not to be made, with a store in it. */
async function requireData(data: string): Promise<void> {
  try {
    await stat(data);
  } catch {
    throw new CountersignError('USAGE', `expected a data folder at ${data}, found none`);
  }
}

async function takePlace(draft: string, file: string): Promise<void> {
  await replaceFile(file, await readFile(draft, 'utf8'), 0o600);
  await rm(draft, { force: true });
}
