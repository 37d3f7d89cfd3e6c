import { Argument, Command } from 'commander';
import type { Context } from '../commands.ts';
import { COMMANDS } from '../commands.ts';
import { bashScript, zshScript } from '../completion.ts';
import type { Words } from '../completion.ts';

const HELP = `
Examples:
  $ source <(countersign completion bash)
  $ countersign completion zsh > "\${fpath[1]}/_countersign"`;

/** `countersign completion`: a script that completes commands and options. */
export function define(program: Command, context: Context): void {
  program
    .command('completion')
    .description('print a completion script for a shell')
    .addArgument(new Argument('<shell>', 'which shell').choices(['bash', 'zsh']))
    .addHelpText('after', HELP)
    .action(async (shell: string) => {
      const words = await wordsOf(context);
      const script = shell === 'zsh' ? zshScript(words) : bashScript(words);
      context.output().result({ shell, script }, script);
    });
}

/** All that can be typed, read from the commands themselves. */
async function wordsOf(context: Context): Promise<Words> {
  const words = new Map<string, readonly string[]>();
  const collect = (command: Command, path: string): void => {
    const names = command.commands.map((sub) => sub.name());
    const options = command.options.flatMap((option) => option.long ?? []);
    words.set(path, [...names, ...options, '--help']);
    for (const sub of command.commands) collect(sub, `${path} ${sub.name()}`.trim());
  };
  const root = new Command('countersign').option('--output <format>').option('--version');
  for (const entry of Object.values(COMMANDS)) (await entry.load()).define(root, context);
  collect(root, '');
  return words;
}
