import type { Command } from 'commander';
import type { Output } from './output.ts';

/** What a command gets besides its own arguments. */
export interface Context {
  readonly env: NodeJS.ProcessEnv;
  /** Made from `--output`, once the arguments are read. */
  output(): Output;
  /** Sets the exit status for when the command is done (0 trusted/done, 1 denied, 2 usage, 3 could not find out). */
  exit(code: 0 | 1 | 2 | 3): void;
}

/** A command's module: adds its subcommand to the program. */
export interface CommandModule {
  define(program: Command, context: Context): void;
}

interface Entry {
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
}

/** Every command, in the order of `--help`; a module is loaded only when its command runs. */
export const COMMANDS: Readonly<Record<string, Entry>> = {
  demo: {
    summary: 'show the main job on a throw-away registry',
    load: () => import('./commands/demo.ts'),
  },
  serve: {
    summary: 'run the gate in front of a registry',
    load: () => import('./commands/serve.ts'),
  },
  key: {
    summary: 'make, list, import, export and remove signing keys',
    load: () => import('./commands/key.ts'),
  },
  push: {
    summary: 'push an image and sign its digest before the tag is given',
    load: () => import('./commands/push.ts'),
  },
  sign: {
    summary: 'sign what the registry, or the one hold, has under a name',
    load: () => import('./commands/sign.ts'),
  },
  verify: {
    summary: 'the decision on an image: may it be pulled, and why',
    load: () => import('./commands/verify.ts'),
  },
  inspect: {
    summary: 'who signed an image, or every tag of a repository, with which keys',
    load: () => import('./commands/inspect.ts'),
  },
  revoke: {
    summary: 'take trust from a tag, a digest or a key, or give it back',
    load: () => import('./commands/revoke.ts'),
  },
  signer: {
    summary: 'who may sign the tags of a repository',
    load: () => import('./commands/signer.ts'),
  },
  root: {
    summary: 'root keys of repositories: when they end, copies, new ones',
    load: () => import('./commands/root.ts'),
  },
  scan: {
    summary: 'what the policies would refuse of what a registry has today',
    load: () => import('./commands/scan.ts'),
  },
  policy: {
    summary: 'check policy files, explain which one governs an image, test them',
    load: () => import('./commands/policy.ts'),
  },
  history: {
    summary: 'the record: who signed, what was refused and why',
    load: () => import('./commands/history.ts'),
  },
  docker: {
    summary: 'docker trust for Docker 29 and later, as a plugin of docker',
    load: () => import('./commands/docker.ts'),
  },
  doctor: {
    summary: 'is the gate the only way from this host to a registry',
    load: () => import('./commands/doctor.ts'),
  },
  import: {
    summary: 'take trust data over from another Notary server, with its keys',
    load: () => import('./commands/import.ts'),
  },
  'master-key': {
    summary: "the key that the trust server's own keys are sealed under",
    load: () => import('./commands/master-key.ts'),
  },
  recover: {
    summary: 'let a restored database serve again, and record that',
    load: () => import('./commands/recover.ts'),
  },
  completion: {
    summary: 'print a completion script for bash or zsh',
    load: () => import('./commands/completion.ts'),
  },
};
