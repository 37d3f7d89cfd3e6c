import type { Command } from 'commander';
import type { Context } from '../commands.ts';
import { addRegistryOptions } from '../registry.ts';
import { repeated } from '../repeated.ts';
import type { NotaryFlags } from './import/notary.ts';

/** Adds `import`. */
export function define(program: Command, context: Context): void {
  const group = program
    .command('import')
    .description('take trust data over from another server, with its keys')
    .addHelpText(
      'after',
      `
Examples:
  $ countersign import notary --dry-run --dump notaryserver.sql --dump notarysigner.sql`,
    );
  const command = group
    .command('notary [repository...]')
    .description('take over the repositories of a Notary v1 server: all, or those that are named')
    .option('--server-db <url>', "notary-server's PostgreSQL database, running")
    .option('--signer-db <url>', "notary-signer's, for the keys")
    .option(
      '--server-db-password-file <file>',
      'the password of --server-db, in the first line of a file (default: PGPASSWORD, PGPASSFILE or ~/.pgpass)',
    )
    .option('--signer-db-password-file <file>', 'the same for --signer-db')
    .option('--dump <file>', 'a plain dump of pg_dump or mysqldump, may be repeated', repeated)
    .option('--from <url>', 'a running Notary server, for what it shows to everybody')
    .option(
      '--passphrase-file <alias=file>',
      'the passphrase of an alias of the signer, in the first line of a file; may be repeated (default: NOTARY_SIGNER_<ALIAS>)',
      repeated,
    )
    .option(
      '--expired-timestamp',
      'also repositories without keys whose timestamp has ended, as of a server that is gone',
    )
    .option('--data <dir>', "the service's data folder (default: that of the configuration)")
    .option('--config <file>', 'configuration file (default: countersign.yaml, if there)')
    .option('--dry-run', 'check everything and write nothing');
  addRegistryOptions(command)
    .addHelpText(
      'after',
      `
Stop the service first. A repository is taken over whole or not at all, byte for byte, and keeps its
keys, versions and changefeed: clients notice nothing. It can be run again at any time, also after it
was cut off, and never overwrites anything else. A repository's name is signed into its certificates,
so its host has to be one of the configured registries.

Exit status: 0 all taken over (or there already), 1 some were not, 2 wrong usage, 3 the source could
not be read. Passwords and passphrases come from files and variables: everybody on the machine can read
a command line.

Examples:
  $ countersign import notary --dry-run --server-db postgres://server@db/notaryserver --signer-db postgres://signer@db/notarysigner
  $ countersign import notary --dump notaryserver.sql --dump notarysigner.sql.gz
  $ countersign import notary --from https://notary.example.com registry.example.com/team/app`,
    )
    .action(async (repositories: string[], flags: NotaryFlags) => {
      const { runImport } = await import('./import/notary.ts');
      await runImport(context, repositories, flags);
    });
}
