import { Command, CommanderError, Option } from 'commander';
import { COMMANDS } from './commands.ts';
import type { Context } from './commands.ts';
import { ERRORS } from '../src/lib/errors.ts';
import type { Output } from './output.ts';
import { createOutput, reportFailure } from './output.ts';
import { packageVersion } from './version.ts';

const HELP = `
Examples:
  $ countersign demo                                 see it work, in a throw-away registry
  $ countersign serve --upstream https://registry.example.com
  $ countersign key generate release-bot             a signing key
  $ countersign push oci:./build registry.example.com/prod/app:1.2
  $ countersign sign registry.example.com/prod/app:1.2
  $ countersign verify registry.example.com/prod/app:1.2

Exit status: 0 trusted or done, 1 denied, 2 wrong usage, 3 could not find out.`;

/** Runs the command line; returns the exit status. */
export async function main(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  outliveListeners();
  const program = new Command('countersign');
  let status = 0;
  const output = (): ReturnType<typeof createOutput> =>
    createOutput(String(program.opts()['output'] ?? 'text'));
  const context: Context = {
    env,
    output,
    exit: (code) => {
      status = code;
    },
  };
  program
    .description(
      'Content trust, enforced at the registry: sign images as they are pushed, refuse what is not signed.',
    )
    .version(packageVersion(), '-V, --version')
    .addOption(
      new Option('--output <format>', 'how results are printed')
        .choices(['text', 'json'])
        .default('text'),
    )
    .addHelpText('after', HELP)
    .showHelpAfterError(seeHelp('countersign'))
    .showSuggestionAfterError()
    .exitOverride()
    .enablePositionalOptions(false);
  const asked = argv.find((arg) => !arg.startsWith('-') && Object.hasOwn(COMMANDS, arg));
  for (const [name, entry] of Object.entries(COMMANDS)) {
    if (name !== asked) {
      program.command(name).description(entry.summary);
      continue;
    }
    (await entry.load()).define(program, context);
  }
  inherit(program, 'countersign');
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return status;
  } catch (error) {
    if (error instanceof CommanderError) return usageFailure(error, output());
    return reportFailure(error, output());
  }
}

/** What the parser has said on stderr already, or help that was asked for. */
function usageFailure(error: CommanderError, output: Output): number {
  if (error.exitCode === 0) return 0;
  const said = error.code === 'commander.help' ? 'expected a command' : error.message;
  const message = said.replace(/^error: /, '').replaceAll('\n', ' ');
  if (output.json) output.result({ error: { code: 'USAGE', message } }, '');
  return ERRORS.USAGE.exit;
}

const seeHelp = (name: string): string => `(see ${name} --help)`;

/**
 * Options that every command takes are declared once, on the program; subcommands throw instead of
 * exiting, and a mistake in one names its own help.
 */
function inherit(command: Command, path: string): void {
  for (const sub of command.commands) {
    const name = `${path} ${sub.name()}`;
    sub.exitOverride();
    sub.copyInheritedSettings(command);
    sub.showHelpAfterError(seeHelp(name));
    inherit(sub, name);
  }
}

/**
 * Nobody may be listening (a closed pipe, a full disk): that ends no command midway, least of all the
 * service, but what could not be told is no success.
 */
function outliveListeners(): void {
  let lost = false;
  const unheard = (): void => {
    if (lost) return;
    lost = true;
    process.once('exit', (code) => {
      if (code === 0) process.exitCode = 3;
    });
  };
  for (const stream of [process.stdout, process.stderr]) {
    if (stream.listenerCount('error') === 0) stream.on('error', unheard);
  }
}
