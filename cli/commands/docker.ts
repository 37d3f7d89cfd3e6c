import type { Command } from 'commander';
import { Option } from 'commander';
import type { Context } from '../commands.ts';
import type { InstallFlags } from './docker/install.ts';

const folder = (): Option =>
  new Option(
    '--dir <dir>',
    "docker's folder of plugins (default: cli-plugins in docker's configuration folder)",
  );

/** Adds `docker` with its subcommands. */
export function define(program: Command, context: Context): void {
  const docker = program
    .command('docker')
    .description('docker trust for Docker 29 and later, which have it no more')
    .addHelpText(
      'after',
      `
Examples:
  $ countersign docker install
  $ docker trust sign registry.example.com/prod/app:1.2`,
    );
  docker
    .command('install')
    .description('let docker run docker trust as a plugin of its own command line')
    .addOption(folder())
    .option('--force', 'replace a docker-trust that something else put there')
    .addHelpText(
      'after',
      `
Writes a launcher, docker-trust, which runs this countersign with this Node; after either has moved,
install again. Docker 28 and older have docker trust built in and go on using that: they list the
plugin as one that duplicates a command. For all users of a machine, as root:
--dir /usr/local/lib/docker/cli-plugins

Examples:
  $ countersign docker install
  $ countersign docker install --dir /usr/local/lib/docker/cli-plugins`,
    )
    .action(async (flags: InstallFlags) =>
      (await import('./docker/install.ts')).runInstall(context, flags),
    );
  docker
    .command('uninstall')
    .description('take the plugin away again; a docker-trust of something else stays')
    .addOption(folder())
    .addHelpText(
      'after',
      `
Example:
  $ countersign docker uninstall`,
    )
    .action(async (flags: InstallFlags) =>
      (await import('./docker/uninstall.ts')).runUninstall(context, flags),
    );
}
