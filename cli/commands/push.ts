import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import { SOURCE_FORMS } from '../../src/oci/sources/open.ts';
import type { Context } from '../commands.ts';
import { addRegistryOptions } from '../registry.ts';
import { annotation, repeated } from '../repeated.ts';
import { signatureFormat } from '../signature-format.ts';
import { runPush } from './push/run.ts';

/** Adds `push SOURCE IMAGE`. */
export function define(program: Command, context: Context): void {
  const command = program
    .command('push <source> <image>')
    .description('push an image and sign its digest before the tag is given')
    .option(
      '--key <name>',
      "key to sign with: a name in the key store, or a file (default: the store's only key)",
    )
    .addOption(
      new Option(
        '--format <format>',
        'dct or cosign; may be repeated (default: both, where the server has a Notary service)',
      ).argParser(signatureFormat),
    )
    .addOption(
      new Option('-a, --annotation <name=value>', 'signed along; may be repeated').argParser(
        annotation,
      ),
    )
    .option('--disable-content-trust', 'do not sign')
    .addOption(
      new Option('--passphrase-file <file>', 'read the passphrase from the first line of a file'),
    )
    .addOption(
      new Option(
        '--mount-from <name>',
        'a repository of the same registry that may have the layers; may be repeated',
      ).argParser(repeated),
    )
    .addOption(
      new Option('--jobs <n>', 'layers uploaded at a time').argParser(parseJobs).default(4),
    );
  addRegistryOptions(command)
    .addHelpText(
      'after',
      `
SOURCE is one of ${SOURCE_FORMS.join(', ')}.

What the registry lacks is uploaded, manifests by digest, then the digest is signed, an index with all
its children, and the tag is given last: behind a gate that refuses unsigned tags the push just works.
DOCKER_CONTENT_TRUST=0 skips the signature, as --disable-content-trust does.

Examples:
  $ countersign push oci:./build:1.2 registry.example.com/prod/app:1.2
  $ countersign push docker-daemon:app:1.2 registry.example.com/prod/app:1.2 --key release-bot
  $ countersign push oci-archive:app.tar registry.example.com/prod/app:1.2 -a commit=$(git rev-parse HEAD)`,
    )
    .action((source: string, image: string, options) => runPush(context, source, image, options));
}

function parseJobs(text: string): number {
  const jobs = /^[0-9]{1,2}$/.test(text) ? Number(text) : 0;
  if (jobs < 1 || jobs > 32) throw new InvalidArgumentError('expected a number from 1 to 32');
  return jobs;
}
