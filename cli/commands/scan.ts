import type { Command } from 'commander';
import { CountersignError } from '../../src/lib/errors.ts';
import type { Context } from '../commands.ts';
import { addRegistryOptions } from '../registry.ts';
import { annotation } from '../repeated.ts';
import { signatureFormat } from '../signature-format.ts';
import type { ScanFlags } from './scan/plan.ts';
import { runScan } from './scan/run.ts';
import type { SignReviewFlags } from './scan/sign.ts';
import { runSignReview } from './scan/sign.ts';

type Flags = ScanFlags & SignReviewFlags & { readonly sign?: string };

const SIGNING = ['key', 'format', 'annotation', 'passphraseFile', 'force'] as const;
const SCANNING = ['server', 'offline', 'policies', 'config', 'journal', 'resume', 'write'] as const;

/** Adds `scan`. */
export function define(program: Command, context: Context): void {
  const command = program
    .command('scan [repository...]')
    .description('what the policies would refuse today; signs a reviewed list in one go')
    .option('--server <url>', "the Countersign to ask (default: the images' own host)")
    .option('--offline', "judge here, by policy files and the registry's signatures alone")
    .option('--policies <dir>', 'with --offline: folder of the policy files')
    .option('--config <file>', "with --offline: the service's configuration, for host names")
    .option('--resume', 'go on where the same scan was interrupted')
    .option('--journal <file>', 'where it is kept what was judged (default: below ~/.local/state)')
    .option('--write <file>', 'write what would be refused to a new file, to be reviewed')
    .option('--sign <file>', 'sign the tags and digests of a reviewed file, and nothing else')
    .option('--key <key>', 'with --sign: name or id in the key store, or a key file')
    .option(
      '--format <format>',
      'with --sign: dct or cosign, may be repeated (default: both, where the server has a Notary service)',
      signatureFormat,
    )
    .option(
      '-a, --annotation <key=value>',
      'with --sign: sign this too, may be repeated',
      annotation,
    )
    .option('--passphrase-file <file>', 'with --sign: read the passphrase from a file')
    .option('--force', 'with --sign: also sign digests that their tag has left');
  addRegistryOptions(command)
    .addHelpText(
      'after',
      `
REPOSITORY is HOST/NAME, or HOST for all that the registry lists. The Countersign that serves the
images is asked; that needs the right to administer there, records one event for the whole scan, and
lets it learn which images belong to which index.

Exit status: 0 nothing would be refused, 1 something would, also where its policy only warns today,
3 something could not be found out. With --sign: 0 all is signed, 1 something was skipped, or is signed
and would be refused all the same.

--sign signs in dct what each tag of the list is, those of a repository in one publish, and in cosign
each digest. A line without a tag is signed in cosign alone.

Examples:
  $ countersign scan registry.example.com
  $ countersign scan --resume registry.example.com           after Ctrl-C
  $ countersign scan registry.example.com/prod/app --write review.txt
  $ countersign scan --sign review.txt --key release-bot     when a person has gone through it
  $ countersign scan --offline --policies ./policies registry.example.com/prod/app`,
    )
    .action((repositories: string[], flags: Flags) => run(context, repositories, flags));
}

async function run(context: Context, repositories: readonly string[], flags: Flags): Promise<void> {
  const { sign } = flags;
  const foreign = (sign === undefined ? SIGNING : SCANNING).find(
    (name) => flags[name] !== undefined,
  );
  if (foreign !== undefined || (sign !== undefined && repositories.length > 0)) {
    const found = foreign === undefined ? 'a repository' : `--${kebab(foreign)}`;
    throw new CountersignError(
      'USAGE',
      sign === undefined
        ? `expected ${found} together with --sign FILE only`
        : `expected --sign FILE without ${found}: it signs what the file names`,
    );
  }
  if (sign !== undefined) return runSignReview(context, sign, flags);
  if (flags.offline === true ? flags.server !== undefined : flags.policies !== undefined) {
    throw new CountersignError(
      'USAGE',
      'expected either --offline with --policies, or a server to ask; found both',
    );
  }
  return runScan(context, repositories, flags);
}

const kebab = (name: string): string =>
  name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
