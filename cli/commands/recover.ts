import type { Command } from 'commander';
import { CountersignError } from '../../src/lib/errors.ts';
import { systemClock } from '../../src/lib/time.ts';
import type { Context } from '../commands.ts';
import { operator } from '../operator.ts';
import { openTerminal } from '../terminal.ts';

interface Flags {
  readonly config?: string;
  readonly data?: string;
  readonly reason: string;
  readonly yes?: boolean;
}

const QUESTION =
  'Revocations, signatures and decisions that are newer than this database are lost, and revoked keys may count again. Go on?';

/** Adds `recover`. */
export function define(program: Command, context: Context): void {
  program
    .command('recover')
    .description('let a database that was restored from an old copy serve again, and record that')
    .requiredOption('--reason <text>', 'why the loss is accepted; goes into the record')
    .option('--data <dir>', "the service's data folder (default: that of the configuration)")
    .option('--config <file>', 'configuration file (default: countersign.yaml, if there)')
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      `
Stop the service first. Before you recover, look for a newer copy of the database; afterwards, revoke
again what was revoked since the copy was made.

Examples:
  $ countersign recover --data ./countersign-data --reason "disk lost, restored from Monday's copy"`,
    )
    .action((flags: Flags) => run(context, flags));
}

async function run(context: Context, flags: Flags): Promise<void> {
  const { data, store } = await place(context, flags);
  const output = context.output();
  if (flags.yes !== true && !(await confirmed(data))) {
    output.note('nothing was changed');
    context.exit(1);
    return;
  }
  const { recoverStore } = await import('../../src/store/open.ts');
  const { reason } = flags;
  const recovery = await recoverStore({
    data,
    store,
    reason,
    actor: operator(),
    clock: systemClock,
  });
  if (!recovery.recovered) {
    output.result(
      { recovered: false },
      'The database is not behind its high-water file: nothing to recover.',
    );
    return;
  }
  const { why, event } = recovery;
  output.result(
    { recovered: true, why, record: event.index },
    `Recovered, and recorded as sig/${event.index}: ${why}.
Revoke again what was revoked since the copy was made; then start the service.`,
  );
}

/** The folder and the engine: as the command says, else as the service is configured. */
async function place(
  context: Context,
  flags: Flags,
): Promise<{ readonly data: string; readonly store: string }> {
  if (flags.data !== undefined) return { data: flags.data, store: 'sqlite' };
  const { loadConfig } = await import('../../src/config/load.ts');
  const { unwrap } = await import('../../src/lib/result.ts');
  return unwrap(await loadConfig({ file: flags.config, flags: {}, env: context.env }));
}

async function confirmed(data: string): Promise<boolean> {
  const terminal = openTerminal();
  if (terminal === null) {
    throw new CountersignError(
      'USAGE',
      `recovering ${data} gives up what its database has lost, and there is no terminal to ask on; give --yes`,
    );
  }
  return terminal.confirm(QUESTION);
}
