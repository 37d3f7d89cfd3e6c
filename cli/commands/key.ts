import type { Command } from 'commander';
import { Option } from 'commander';
import type { Context } from '../commands.ts';
import { runExport } from './key/export.ts';
import { KEY_TYPES, runGenerate } from './key/generate.ts';
import { runImport } from './key/import.ts';
import { runList } from './key/list.ts';
import { runRemove } from './key/remove.ts';

const PASSPHRASES = `
Passphrases come from --passphrase-file, then DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE
(COSIGN_PASSWORD for cosign's own files), then a prompt.`;

const passphraseFile = (): Option =>
  new Option('--passphrase-file <file>', 'read the passphrase from the first line of a file');
const newPassphraseFile = (): Option =>
  new Option(
    '--new-passphrase-file <file>',
    'the passphrase for what is written, where it differs',
  );

/** Adds `key` with its subcommands. */
export function define(program: Command, context: Context): void {
  const key = program
    .command('key')
    .description("signing keys, in docker's own key store ($DOCKER_CONFIG/trust/private)")
    .addHelpText(
      'after',
      `
Examples:
  $ countersign key generate release-bot --out policies/keys
  $ countersign key list`,
    );
  defineGenerate(key, context);
  key
    .command('list')
    .description('list the keys in the key store, the unusable ones too')
    .addHelpText(
      'after',
      `
Examples:
  $ countersign key list
  $ countersign key list --output json`,
    )
    .action(() => runList(context));
  defineImport(key, context);
  defineExport(key, context);
  key
    .command('remove <name>')
    .description('remove a private key from the key store; what it signed stays signed')
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      `
To take trust from what it signed, revoke it: countersign revoke --key NAME.pub --server URL

Example:
  $ countersign key remove release-bot`,
    )
    .action((name: string, options: { yes?: boolean }) => runRemove(context, name, options));
}

function defineGenerate(key: Command, context: Context): void {
  key
    .command('generate <name>')
    .description('make a key; writes NAME.pub and stores the private half encrypted')
    .addOption(new Option('--type <type>', 'kind of key').choices(KEY_TYPES).default('ed25519'))
    .option('--out <dir>', 'where NAME.pub is written', '.')
    .addOption(passphraseFile())
    .addHelpText(
      'after',
      `
Ed25519 keys are what countersign, podman, skopeo and cosign 2 work with. Choose ecdsa-p256 for a
key that docker, cosign 3 or notation will sign with too.
${PASSPHRASES}

Examples:
  $ countersign key generate release-bot
  $ countersign key generate release-bot --type ecdsa-p256 --out policies/keys`,
    )
    .action((name: string, options) => runGenerate(context, name, options));
}

function defineImport(key: Command, context: Context): void {
  key
    .command('import <file>')
    .description('take a private key into the key store')
    .option('--name <name>', "the key's name (default: the file's role line, else the file's name)")
    .addOption(passphraseFile())
    .addOption(newPassphraseFile())
    .addHelpText(
      'after',
      `
Reads PEM: PKCS#8 (plain, or encrypted by OpenSSL or docker), SEC1, PKCS#1, and cosign.key.
${PASSPHRASES}
The stored key keeps the passphrase of the file unless another is given.

Examples:
  $ countersign key import ./cosign.key --name release-bot`,
    )
    .action((file: string, options) => runImport(context, file, options));
}

function defineExport(key: Command, context: Context): void {
  key
    .command('export <name>')
    .description('write a key to a file (--public: print its public half)')
    .addOption(
      new Option('--format <format>', 'docker and cosign: encrypted; pkcs8: NOT encrypted')
        .choices(['docker', 'cosign', 'pkcs8'])
        .default('docker'),
    )
    .option('--out <file>', 'where to write it (default: NAME.key; never overwritten)')
    .option('--public', 'the public half, as PEM')
    .addOption(passphraseFile())
    .addOption(newPassphraseFile())
    .addHelpText(
      'after',
      `${PASSPHRASES}
The file keeps the passphrase of the key unless another is given (cosign: COSIGN_PASSWORD).

Examples:
  $ countersign key export release-bot --public > release-bot.pub
  $ countersign key export release-bot --format cosign --out cosign.key`,
    )
    .action((name: string, options) => runExport(context, name, options));
}
