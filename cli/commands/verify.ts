import type { Command } from 'commander';
import type { Context } from '../commands.ts';
import { addRegistryOptions } from '../registry.ts';
import type { VerifyFlags } from './verify/run.ts';
import { runVerify } from './verify/run.ts';

/** Adds `verify`. */
export function define(program: Command, context: Context): void {
  const command = program
    .command('verify <image...>')
    .description('the decision on an image: may it be pulled, and why')
    .option('--server <url>', "the Countersign to ask (default: the image's own host)")
    .option('--offline', "judge here, by policy files and the registry's signatures alone")
    .option('--policies <dir>', 'with --offline: folder of the policy files')
    .option('--config <file>', "with --offline: the service's configuration, for host names");
  addRegistryOptions(command)
    .addHelpText(
      'after',
      `
Exit status: 0 trusted, 1 denied, 3 could not find out; of several images the worst.
--offline cannot know what was revoked, and says so. There \${registry} in a policy is the image's
host, unless --config names another.

Examples:
  $ countersign verify registry.example.com/prod/app:1.2
  $ countersign verify --server https://registry.example.com mirror.example.com/prod/app:1.2
  $ countersign verify --offline --policies ./policies registry.example.com/prod/app:1.2`,
    )
    .action((images: string[], flags: VerifyFlags) => runVerify(context, images, flags));
}
