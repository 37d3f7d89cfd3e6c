import type { Command } from 'commander';
import { Option } from 'commander';
import type { Context } from '../commands.ts';
import { addRegistryOptions } from '../registry.ts';
import { repeated } from '../repeated.ts';
import type { InspectFlags } from './inspect/run.ts';
import { runInspect } from './inspect/run.ts';

/** Adds `inspect`. */
export function define(program: Command, context: Context): void {
  const command = program
    .command('inspect <image>')
    .description('who signed an image, or every tag of a repository, with which keys')
    .addOption(
      new Option('--format <format>', 'docker: the JSON of docker trust inspect').choices([
        'docker',
      ]),
    )
    .option('--pretty', 'the text of docker trust inspect --pretty')
    .option('--server <url>', "the Countersign to ask (default: the image's own host)")
    .option(
      '--policies <dir>',
      'judge by the authorities of these policy files, ask no Countersign',
    )
    .option(
      '--key <file>',
      'judge by this public key, may be repeated; ask no Countersign',
      repeated,
    );
  addRegistryOptions(command)
    .addHelpText(
      'after',
      `
HOST/NAME:TAG or HOST/NAME@sha256:… is one image, HOST/NAME every tag of the repository. Signers are
those that the Countersign in front of the registry knows, or the given keys; what nobody given here
signed is counted, never believed. The repository's Notary v1 trust data are shown besides, as this machine
may believe them: from the root that it saw first, which docker and countersign keep together.

--format docker and --pretty print what docker trust inspect prints, of the trust data alone where there
are any; without trust data the other signatures in the same shape, or [] and exit status 1.

Examples:
  $ countersign inspect registry.example.com/prod/app
  $ countersign inspect --key release-bot.pub registry.example.com/prod/app:1.2
  $ countersign inspect --format docker registry.example.com/prod/app
  $ countersign inspect --pretty registry.example.com/prod/app`,
    )
    .action((image: string, flags: InspectFlags) => runInspect(context, image, flags));
}
