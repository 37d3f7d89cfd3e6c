import type { Command } from 'commander';
import type { Context } from '../commands.ts';
import { addRegistryOptions } from '../registry.ts';
import { runCheck } from './policy/check.ts';
import { runExplain } from './policy/explain.ts';
import { runTest } from './policy/test.ts';

/** Adds `policy` with its subcommands. */
export function define(program: Command, context: Context): void {
  const policy = program
    .command('policy')
    .description('policy files: check them, ask which one governs an image, test them')
    .addHelpText(
      'after',
      `
Examples:
  $ countersign policy check ./policies
  $ countersign policy explain registry.example.com/prod/app:1.2
  $ countersign policy test policies/tests/default.yaml`,
    );
  withPlaces(
    policy
      .command('check [folder]')
      .description('load the policy files as the service would, and point at what looks unwise'),
  )
    .addHelpText(
      'after',
      `
Exit status: 0 the set loads (warnings are printed), 2 it does not.

Examples:
  $ countersign policy check
  $ countersign policy check ./policies --registry registry.example.com`,
    )
    .action((folder: string | undefined, options) => runCheck(context, folder, options));
  addRegistryOptions(
    withPlaces(
      policy
        .command('explain <image>')
        .description('which policy governs an image and why, what it requires, what else holds'),
    ),
  )
    .option('--policies <dir>', 'folder of the policy files')
    .option('--digest <digest>', 'also say whether an exception covers this digest')
    .option('--server <url>', 'ask a running service why it allows or denies a pull of the image')
    .addHelpText(
      'after',
      `
Exit status: 0 a policy governs it (with --server: the image is allowed), 1 none does (it is denied).

Examples:
  $ countersign policy explain registry.example.com/prod/app:1.2
  $ countersign policy explain registry.example.com/prod/app:1.2 --server https://registry.example.com`,
    )
    .action((image: string, options) => runExplain(context, image, options));
  withPlaces(
    policy
      .command('test <file...>')
      .description('run fixture files: supposed signatures and the verdict that is expected'),
  )
    .option(
      '--policies <dir>',
      "folder of the policy files; the fixture file's, or the one above it",
    )
    .addHelpText(
      'after',
      `
A fixture file:
  version: 1
  cases:
    - name: one of two is not enough
      image: \${registry}/prod/app:1.2
      signatures: [{ by: release-bot, age: 3d }]
      expect: deny
      code: NOT_TRUSTED

Exit status: 0 all cases came out as expected, 1 some did not, 2 a file does not load.

Example:
  $ countersign policy test policies/tests/default.yaml`,
    )
    .action((files: string[], options) => runTest(context, files, options));
}

function withPlaces(command: Command): Command {
  return command
    .option('--config <file>', 'configuration of the service: its registries and policy folder')
    .option('--registry <host>', 'what ${registry} stands for, instead of the configured host');
}
