import type { Command } from 'commander';
import type { Context } from '../commands.ts';
import { addRegistryOptions } from '../registry.ts';
import type { RevokeFlags } from './revoke/run.ts';
import { runRevoke } from './revoke/run.ts';

/** Adds `revoke`. */
export function define(program: Command, context: Context): void {
  const command = program
    .command('revoke [image...]')
    .description('take trust from a tag, a digest or a key, from the next request on')
    .option(
      '--key <key>',
      'revoke a key: its id or its Notary id (countersign key list), or its public key file',
    )
    .option('--server <url>', "the Countersign to tell (default: the image's own host)")
    .option('--reason <text>', 'why; it is recorded and shown with every refusal')
    .option('--undo', 'give the trust back')
    .option(
      '--passphrase-file <file>',
      'read the passphrase of signing keys from the first line of a file',
    );
  addRegistryOptions(command)
    .addHelpText(
      'after',
      `
A revocation beats signatures, exceptions and caches, and stays until it is undone. A revoked digest is
refused under every name, a revoked tag under that name only. It needs the right to administer the
repository; for a key, all repositories. A tag is taken out of its repository's Notary v1 trust data too,
as far as the keys are here; an undone revocation does not put it back, countersign sign does.

Examples:
  $ countersign revoke registry.example.com/prod/app@sha256:… --reason "CVE-2026-1234"
  $ countersign revoke registry.example.com/prod/app:1.2 --undo
  $ countersign revoke --key policies/keys/old-bot.pub --server https://registry.example.com`,
    )
    .action((images: string[], flags: RevokeFlags) => runRevoke(context, images, flags));
}
