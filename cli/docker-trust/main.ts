import { messageOf } from '../../src/lib/errors.ts';
import { dockerConfigFolder } from '../../src/config/docker-folder.ts';
import { completions } from './complete.ts';
import { TrustFailure } from './failure.ts';
import { parseFlags } from './flags.ts';
import { readGlobals } from './globals.ts';
import { checkArguments, helpOf, usageHint } from './help.ts';
import { METADATA_COMMAND, metadata } from './metadata.ts';
import { followDocker } from './parent.ts';
import { dockerPassphrases } from './passphrases.ts';
import type { TrustCommand } from './session.ts';
import type { CommandWords } from './shapes.ts';
import { isCommand, SHAPES } from './shapes.ts';
import type { Talk } from './talk.ts';
import { openTalk } from './talk.ts';

const LOAD: Readonly<Partial<Record<CommandWords, () => Promise<TrustCommand>>>> = {
  inspect: async () => (await import('./commands/inspect.ts')).inspect,
  revoke: async () => (await import('./commands/revoke.ts')).revoke,
  sign: async () => (await import('./commands/sign.ts')).sign,
  'key generate': async () => (await import('./commands/key-generate.ts')).keyGenerate,
  'key load': async () => (await import('./commands/key-load.ts')).keyLoad,
  'signer add': async () => (await import('./commands/signer-add.ts')).signerAdd,
  'signer remove': async () => (await import('./commands/signer-remove.ts')).signerRemove,
};

/**
 * Runs the plugin as docker does: with all that was typed behind `docker`, so docker's own flags come
 * before `trust`. Returns the exit status.
 */
export async function main(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const talk = openTalk(env);
  followDocker(env, () => process.kill(process.pid, 'SIGTERM'));
  try {
    await run(argv, talk);
    return 0;
  } catch (error) {
    talk.err(`${messageOf(error)}\n`);
    if (!(error instanceof TrustFailure)) return 1;
    if (error.next !== null) talk.err(`${error.next}\n`);
    return error.status;
  } finally {
    talk.close();
  }
}

async function run(argv: readonly string[], talk: Talk): Promise<void> {
  const [first] = argv;
  if (first === METADATA_COMMAND) return talk.out(metadata());
  // A plugin without hooks says nothing.
  if (first === 'docker-cli-plugin-hooks') return;
  if (first === '__complete' || first === '__completeNoDesc') {
    return talk.out(completions(argv.slice(1)));
  }
  const { globals, rest } = readGlobals(argv);
  const asked = rest[0] === 'help';
  const words = (asked ? rest.slice(1) : rest).filter((_, at) => at > 0);
  const { name, after } = commandOf(words);
  const shape = SHAPES[name];
  const load = LOAD[name];
  const command = await load?.();
  const { rest: given, values, help } = parseFlags(after, command?.flags ?? {}, usageHint(shape));
  if (help === '-h') talk.out('Flag shorthand -h has been deprecated, use --help\n');
  if (asked || help !== null) return talk.out(helpOf(shape));
  if (command === undefined) {
    const [unknown] = given;
    if (unknown === undefined) return talk.err(helpOf(shape));
    throw new TrustFailure(`docker: unknown command: ${shape.path} ${unknown}${usageHint(shape)}`);
  }
  checkArguments(shape, given);
  const { host, context, config, debug, tls } = globals;
  if (host !== undefined && context !== undefined) {
    throw new TrustFailure('conflicting options: cannot specify both --host and --context');
  }
  const dockerConfig = config ?? dockerConfigFolder(talk.env);
  const passphrases = dockerPassphrases(talk);
  const session = { talk, dockerConfig, host, context, tls, debug, passphrases };
  await command.run(session, { rest: given, values, help });
}

/** The longest command at the front of the words; flags of its own may stand anywhere behind. */
function commandOf(words: readonly string[]): {
  readonly name: CommandWords;
  readonly after: readonly string[];
} {
  for (const count of [2, 1]) {
    const name = words.slice(0, count).join(' ');
    if (words.length >= count && name !== '' && isCommand(name)) {
      return { name, after: words.slice(count) };
    }
  }
  return { name: '', after: words };
}
