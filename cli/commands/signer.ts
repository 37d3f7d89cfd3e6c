import type { Command } from 'commander';
import { Option } from 'commander';
import type { Context } from '../commands.ts';
import { addRegistryOptions } from '../registry.ts';
import { repeated } from '../repeated.ts';
import type { AddFlags } from './signer/add.ts';
import type { RemoveFlags } from './signer/remove.ts';

const passphraseFile = (): Option =>
  new Option(
    '--passphrase-file <file>',
    "read the passphrase of the repository's keys from the first line of a file",
  );

/** Adds `signer` with its subcommands. */
export function define(program: Command, context: Context): void {
  const signer = program
    .command('signer')
    .description('who may sign the tags of a repository, in its Notary v1 trust data')
    .addHelpText(
      'after',
      `
Examples:
  $ countersign signer add release-bot --key release-bot.pub registry.example.com/prod/app
  $ countersign inspect --format docker registry.example.com/prod/app`,
    );
  const add = signer
    .command('add <name> <repository...>')
    .description('let a key sign, under a name of its own; a new repository is begun')
    .addOption(
      new Option('--key <file>', 'public key of the signer, may be repeated')
        .argParser(repeated)
        .makeOptionMandatory(),
    )
    .option('--renew', "also sign again the repository's own targets where they have expired")
    .addOption(passphraseFile());
  addRegistryOptions(add)
    .addHelpText(
      'after',
      `
It takes the repository's own key (targets), which is on the machine that began the repository. A
repository without trust data is begun: a root key is made where there is none, see countersign root.
For a policy that asks for authorities by name, the signer's name is the authority's.

Examples:
  $ countersign signer add release-bot --key release-bot.pub registry.example.com/prod/app
  $ countersign signer add alice --key old.pub --key new.pub registry.example.com/a registry.example.com/b`,
    )
    .action(async (name: string, repositories: string[], flags: AddFlags) =>
      (await import('./signer/add.ts')).runAdd(context, name, repositories, flags),
    );
  const remove = signer
    .command('remove <name> <repository...>')
    .description('let a name sign no more; what only it signed is signed no longer')
    .option('--force', 'do not ask, also where nothing stays signed')
    .addOption(passphraseFile());
  addRegistryOptions(remove)
    .addHelpText(
      'after',
      `
Example:
  $ countersign signer remove alice registry.example.com/prod/app`,
    )
    .action(async (name: string, repositories: string[], flags: RemoveFlags) =>
      (await import('./signer/remove.ts')).runRemove(context, name, repositories, flags),
    );
}
