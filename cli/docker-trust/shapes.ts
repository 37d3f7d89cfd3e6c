import type { Shape } from './help.ts';

const one = { least: 1, most: 1 } as const;

/** Every command of `docker trust` by its words, with the texts of docker 28. */
export const SHAPES = {
  '': {
    path: 'docker trust',
    use: 'docker trust',
    help: `Manage trust on Docker images

Management Commands:
  key         Manage keys for signing Docker images
  signer      Manage entities who can sign Docker images

Commands:
  inspect     Return low-level information about keys and signatures
  revoke      Remove trust for an image
  sign        Sign an image

Run 'docker trust COMMAND --help' for more information on a command.`,
  },
  key: {
    path: 'docker trust key',
    use: 'docker trust key',
    help: `Manage keys for signing Docker images

Commands:
  generate    Generate and load a signing key-pair
  load        Load a private key file for signing

Run 'docker trust key COMMAND --help' for more information on a command.`,
  },
  signer: {
    path: 'docker trust signer',
    use: 'docker trust signer',
    help: `Manage entities who can sign Docker images

Commands:
  add         Add a signer
  remove      Remove a signer

Run 'docker trust signer COMMAND --help' for more information on a command.`,
  },
  sign: {
    path: 'docker trust sign',
    use: 'docker trust sign IMAGE:TAG',
    help: `Sign an image

Options:
      --local   Sign a locally tagged image`,
    arguments: one,
  },
  revoke: {
    path: 'docker trust revoke',
    use: 'docker trust revoke [OPTIONS] IMAGE[:TAG]',
    help: `Remove trust for an image

Options:
  -y, --yes   Do not prompt for confirmation`,
    arguments: one,
  },
  inspect: {
    path: 'docker trust inspect',
    use: 'docker trust inspect IMAGE[:TAG] [IMAGE[:TAG]...]',
    help: `Return low-level information about keys and signatures

Options:
      --pretty   Print the information in a human friendly format`,
    arguments: { least: 1 },
  },
  'key generate': {
    path: 'docker trust key generate',
    use: 'docker trust key generate NAME',
    help: `Generate and load a signing key-pair

Options:
      --dir string   Directory to generate key in, defaults to current
                     directory`,
    arguments: one,
  },
  'key load': {
    path: 'docker trust key load',
    use: 'docker trust key load [OPTIONS] KEYFILE',
    help: `Load a private key file for signing

Options:
      --name string   Name for the loaded key (default "signer")`,
    arguments: one,
  },
  'signer add': {
    path: 'docker trust signer add',
    // The space at the end is docker's.
    use: 'docker trust signer add OPTIONS NAME REPOSITORY [REPOSITORY...] ',
    help: `Add a signer

Options:
      --key list   Path to the signer's public key file`,
    arguments: { least: 2 },
  },
  'signer remove': {
    path: 'docker trust signer remove',
    use: 'docker trust signer remove [OPTIONS] NAME REPOSITORY [REPOSITORY...]',
    help: `Remove a signer

Options:
  -f, --force   Do not prompt for confirmation before removing the most
                recent signer`,
    arguments: { least: 2 },
  },
} as const satisfies Readonly<Record<string, Shape>>;

/** The words of a command; empty for `docker trust` itself. */
export type CommandWords = keyof typeof SHAPES;

/** True for words that are a command or a group. */
export function isCommand(words: string): words is CommandWords {
  return Object.hasOwn(SHAPES, words);
}
