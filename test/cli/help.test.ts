import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../cli/commands.ts';
import type { Context } from '../../cli/commands.ts';
import { createOutput } from '../../cli/output.ts';

const context: Context = { env: {}, output: () => createOutput('text'), exit: () => {} };

/** Every command and subcommand, as it is typed. */
async function all(): Promise<readonly (readonly [string, Command])[]> {
  const root = new Command('countersign');
  for (const entry of Object.values(COMMANDS)) (await entry.load()).define(root, context);
  const walk = (command: Command, path: string): (readonly [string, Command])[] =>
    command.commands.flatMap((sub) => {
      const name = `${path}${sub.name()}`;
      return [[name, sub] as const, ...walk(sub, `${name} `)];
    });
  return walk(root, '');
}

function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({ writeOut: (part) => (text += part) });
  command.outputHelp();
  return text;
}

describe('the help of every command', () => {
  it('describes it and shows an example that begins as it is typed', async () => {
    const commands = await all();
    expect(commands.length).toBeGreaterThan(15);
    const lacking = commands.filter(([name, command]) => {
      const example = new RegExp(`^ *\\$ .*countersign ${name}\\b`, 'm');
      return !example.test(helpOf(command)) || command.description() === '';
    });
    expect(lacking.map(([name]) => name)).toEqual([]);
  });

  it('names each command in the list that --help prints', async () => {
    const names = (await all()).map(([name]) => name.split(' ')[0]);
    expect(new Set(names)).toEqual(new Set(Object.keys(COMMANDS)));
  });
});
