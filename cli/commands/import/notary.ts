import { access, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { loadConfig } from '../../../src/config/load.ts';
import type { Config } from '../../../src/config/config.ts';
import { importAll } from '../../../src/import/import-all.ts';
import type { ImportReport } from '../../../src/import/report.ts';
import type { NotarySource } from '../../../src/import/source.ts';
import type { ImportTarget } from '../../../src/import/target.ts';
import { EMPTY } from '../../../src/import/target.ts';
import { unwrap } from '../../../src/lib/result.ts';
import { systemClock } from '../../../src/lib/time.ts';
import { loadMasterKey } from '../../../src/notary/master-key.ts';
import { ServerKeys } from '../../../src/notary/server-keys.ts';
import { openStore } from '../../../src/store/open.ts';
import type { Store } from '../../../src/store/store.ts';
import type { Context } from '../../commands.ts';
import { oneLine } from '../../display.ts';
import { operator } from '../../operator.ts';
import { printReport } from './print.ts';
import { tellRoom } from './room.ts';
import { signerPassphrases } from './passphrase-files.ts';
import type { SourceFlags } from './source.ts';
import { openSource } from './source.ts';

/** The options of `import notary`. */
export interface NotaryFlags extends SourceFlags {
  readonly passphraseFile?: readonly string[];
  readonly data?: string;
  readonly config?: string;
  readonly dryRun?: boolean;
  readonly expiredTimestamp?: boolean;
}

/** Runs `import notary`. */
export async function runImport(
  context: Context,
  repositories: readonly string[],
  flags: NotaryFlags,
): Promise<void> {
  const { env } = context;
  const output = context.output();
  const dryRun = flags.dryRun === true;
  const config = unwrap(
    await loadConfig({
      file: flags.config,
      flags: flags.data === undefined ? {} : { data: flags.data },
      env,
    }),
  );
  const passphrases = await signerPassphrases(flags.passphraseFile ?? [], env);
  // The store first: whether the service runs is told at once, and not after an hour of reading.
  const store = dryRun && !(await isThere(config.data)) ? null : await openData(config);
  let source: NotarySource | null = null;
  try {
    const host = config.registries[0]?.host ?? '';
    source = await openSource(flags, { repositories, host, env, output });
    if (store !== null) await tellRoom(output, config.data, (await source.bytes()) ?? 0);
    const writes = dryRun || store === null ? null : await writesTo(store, config);
    const now = systemClock();
    const reads = store ?? EMPTY;
    const target: ImportTarget = {
      registries: config.registries,
      passphrases,
      reads,
      writes,
      now,
      expiredTimestamps: flags.expiredTimestamp === true,
    };
    const report = await importAll(source, target, repositories, (one, done, all) =>
      output.note(`${done}/${all} ${oneLine(one.gun)}: ${one.outcome}`),
    );
    printReport(output, report);
    context.exit(isWhole(report) ? 0 : 1);
  } finally {
    await source?.close();
    await store?.close();
  }
}

function isWhole({ repositories }: ImportReport): boolean {
  return repositories.every(({ outcome }) => outcome !== 'refused' && outcome !== 'skipped');
}

async function openData({ data, store }: Config): Promise<Store> {
  await mkdir(data, { recursive: true, mode: 0o700 });
  return openStore({ data, store, clock: systemClock });
}

async function isThere(data: string): Promise<boolean> {
  return access(join(data, 'countersign.db')).then(
    () => true,
    () => false,
  );
}

async function writesTo(
  store: Store,
  { notary }: Config,
): Promise<NonNullable<ImportTarget['writes']>> {
  const masterKey = await loadMasterKey(notary.masterKey);
  // Keys under two master keys would keep the service from starting.
  await new ServerKeys({ store, clock: systemClock, masterKey, keyType: notary.keyType }).check();
  return { store, masterKey, actor: operator() };
}
