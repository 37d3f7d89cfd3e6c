import type { Command } from 'commander';
import type { Context } from '../commands.ts';
import { addRegistryOptions } from '../registry.ts';
import { annotation } from '../repeated.ts';
import { signatureFormat } from '../signature-format.ts';
import { runSign } from './sign/run.ts';
import type { SignFlags } from './sign/signings.ts';

/** Adds `sign`. */
export function define(program: Command, context: Context): void {
  const command = program
    .command('sign <image...>')
    .description('sign what the registry, or the one hold, has under a name')
    .option(
      '--key <key>',
      "name or id in the key store, or a key file (default: the store's only key)",
    )
    .option(
      '--format <format>',
      'dct or cosign, may be repeated (default: both, where the server has a Notary service)',
      signatureFormat,
    )
    .option('-a, --annotation <key=value>', 'sign this with the image, may be repeated', annotation)
    .option('--no-recursive', 'of an index sign only itself, not what it contains')
    .option(
      '--renew',
      'sign again what this key signed before, also what has expired, for policies with maxAge',
    )
    .option('--passphrase-file <file>', 'read the passphrase from the first line of a file');
  addRegistryOptions(command)
    .addHelpText(
      'after',
      `
The signature names the tag that you write: HOST/NAME:TAG, or HOST/NAME:TAG@sha256:… where several
images wait under that tag.

dct is the tag's entry in the repository's Notary v1 trust data, as docker trust sign writes it, at the
registry's own host or DOCKER_CONTENT_TRUST_SERVER. The key signs as the signer of its name; a repository
without trust data is begun, with a root key in docker's key store: keep a copy of that one.
Annotations are cosign's alone.

Examples:
  $ countersign sign registry.example.com/prod/app:1.2
  $ countersign sign --key release-bot --format dct registry.example.com/prod/app:1.2
  $ countersign sign --key release-bot -a build=42 registry.example.com/prod/app:1.2@sha256:…`,
    )
    .action((images: string[], flags: SignFlags) => runSign(context, images, flags));
}
