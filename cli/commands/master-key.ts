import type { Command } from 'commander';
import type { Context } from '../commands.ts';
import type { RotateFlags } from './master-key/rotate.ts';
import { runGenerate } from './master-key/generate.ts';
import { runRotate } from './master-key/rotate.ts';

/** Adds `master-key` with its subcommands. */
export function define(program: Command, context: Context): void {
  const command = program
    .command('master-key')
    .description("the key that the trust server's own keys are sealed under")
    .addHelpText(
      'after',
      `
Examples:
  $ countersign master-key generate /run/secrets/master.key
  $ countersign master-key rotate`,
    );
  command
    .command('generate <file>')
    .description('write a new master key into a file that is not there yet')
    .addHelpText(
      'after',
      `
Name the file in the configuration (notary.masterKeyFile) or in COUNTERSIGN_MASTER_KEY_FILE, and keep
a copy apart from the database.

Example:
  $ countersign master-key generate /run/secrets/master.key`,
    )
    .action((file: string) => runGenerate(context, file));
  command
    .command('rotate')
    .description("seal the server's keys under a new master key; the service must not run")
    .option('--data <dir>', "the service's data folder (default: that of the configuration)")
    .option('--config <file>', 'configuration file (default: countersign.yaml, if there)')
    .option(
      '--new-key-file <file>',
      'the new master key, made if not there (default: takes the place of the present file)',
    )
    .addHelpText(
      'after',
      `
A rotation that was interrupted is run again in the same way. Whoever kept a copy of the old key and of
the old database can still sign with the keys in it: after a theft, rotate those keys too, repository
by repository (notary key rotate GUN timestamp -r).

Examples:
  $ countersign master-key rotate
  $ countersign master-key rotate --new-key-file /run/secrets/master-2.key`,
    )
    .action((flags: RotateFlags) => runRotate(context, flags));
}
