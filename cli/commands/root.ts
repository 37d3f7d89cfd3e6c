import type { Command } from 'commander';
import { Option } from 'commander';
import type { Context } from '../commands.ts';
import { addRegistryOptions } from '../registry.ts';
import type { BackupFlags } from './root/backup.ts';
import type { ListFlags } from './root/list.ts';
import type { ResetFlags } from './root/reset.ts';
import type { RotateFlags } from './root/rotate.ts';

/** Adds `root` with its subcommands. */
export function define(program: Command, context: Context): void {
  const root = program
    .command('root')
    .description('root keys of Notary v1 repositories: when they end, copies, and new ones')
    .addHelpText(
      'after',
      `
Examples:
  $ countersign root list
  $ countersign root backup --out /media/usb/root-keys`,
    );
  defineList(root, context);
  defineBackup(root, context);
  defineRotate(root, context);
  defineReset(root, context);
}

function defineList(root: Command, context: Context): void {
  const list = root
    .command('list [repository...]')
    .description('when the roots of repositories end, and whether their keys are here')
    .addOption(new Option('--within <time>', 'warn of what ends within this time').default('365d'));
  addRegistryOptions(list)
    .addHelpText(
      'after',
      `
Of repositories that are named the trust server is asked; without any, all that this machine has seen
are listed as it saw them last. A root certificate lasts ten years, and when it has ended nobody can sign,
pull or even change it any more: change it while it lasts, with countersign root rotate.

Exit status: 0 nothing ends soon, 1 something does or has ended, 3 something could not be found out.

Examples:
  $ countersign root list
  $ countersign root list registry.example.com/prod/app --within 730d`,
    )
    .action(async (repositories: string[], flags: ListFlags) =>
      (await import('./root/list.ts')).runList(context, repositories, flags),
    );
}

function defineBackup(root: Command, context: Context): void {
  root
    .command('backup [file]')
    .description('copy the root keys of the key store, encrypted as they are')
    .option('--out <dir>', "copy into a folder, a file per key as in docker's key store")
    .option('--all', 'the keys of repositories and signers, too')
    .addHelpText(
      'after',
      `
Whoever loses a root key can never change who signs. The copies open with the passphrase of the keys; no
passphrase is asked for, and nothing is overwritten. One file is what notary key import reads; files in
a folder are put back by copying them into the key store.

Examples:
  $ countersign root backup root-keys.pem
  $ countersign root backup --out /media/usb/keys --all`,
    )
    .action(async (file: string | undefined, flags: BackupFlags) =>
      (await import('./root/backup.ts')).runBackup(context, file, flags),
    );
}

function defineRotate(root: Command, context: Context): void {
  const rotate = root
    .command('rotate <repository...>')
    .description('give repositories a new root key and certificate, signed by the old and the new')
    .option('--keep-key', 'only a new certificate, for the key that is there')
    .addOption(
      new Option(
        '--server-keys',
        "other timestamp and snapshot keys of the server's, both at once; the root key stays",
      ).conflicts('keepKey'),
    )
    .addOption(
      new Option(
        '--expired-timestamp',
        'with --server-keys: also where the present timestamp has ended, as of a server that is gone; look first whether the tags are the newest',
      ),
    )
    .option(
      '--passphrase-file <file>',
      'read the passphrase of the keys from the first line of a file',
    );
  addRegistryOptions(rotate)
    .addHelpText(
      'after',
      `
Machines that trust the old root follow to the new one by themselves. It takes the old root key, and must
be done before the certificate ends; make a backup of the new key: countersign root backup. Policies
that pin roots by the key's id or file need the new one beside the old. With --server-keys the server
makes new keys for what it signs: for a repository that was imported from a server that kept its keys.

Examples:
  $ countersign root rotate registry.example.com/prod/app
  $ countersign root rotate --keep-key registry.example.com/prod/app
  $ countersign root rotate --server-keys registry.example.com/prod/app`,
    )
    .action(async (repositories: string[], flags: RotateFlags) =>
      (await import('./root/rotate.ts')).runRotate(context, repositories, flags),
    );
}

function defineReset(root: Command, context: Context): void {
  const reset = root
    .command('reset <repository>')
    .description('let the gate accept another root of a repository whose root key is lost')
    .requiredOption('--reason <text>', 'why; it is recorded')
    .option('--server <url>', "the Countersign to tell (default: the repository's own host)");
  addRegistryOptions(reset)
    .addHelpText(
      'after',
      `
For administrators of the repository. The gate holds a repository to the root that it saw first; after a
reset it takes the one that is there, or is published next. Who pulled with docker's content trust must
remove the folder of the repository below ~/.docker/trust/tuf.

Example:
  $ countersign root reset registry.example.com/prod/app --reason "root key lost with the old CI host"`,
    )
    .action(async (repository: string, flags: ResetFlags) =>
      (await import('./root/reset.ts')).runReset(context, repository, flags),
    );
}
