import type { EngineTlsFlags } from '../engine-tls.ts';
import type { FlagKinds } from './flags.ts';
import { isSet, parseFlags } from './flags.ts';

/** Docker's own flags, which stand before `trust`. */
export interface Globals {
  readonly config: string | undefined;
  readonly host: string | undefined;
  readonly context: string | undefined;
  readonly debug: boolean;
  readonly tls: EngineTlsFlags;
}

const FLAGS: FlagKinds = {
  config: { kind: 'one' },
  context: { kind: 'one', short: 'c' },
  debug: { kind: 'true', short: 'D' },
  host: { kind: 'many', short: 'H' },
  'log-level': { kind: 'one', short: 'l' },
  tls: { kind: 'true' },
  tlscacert: { kind: 'one' },
  tlscert: { kind: 'one' },
  tlskey: { kind: 'one' },
  tlsverify: { kind: 'true' },
};

/** Takes docker's own flags from the front; `rest` begins with `trust` (or `help trust`). */
export function readGlobals(argv: readonly string[]): {
  readonly globals: Globals;
  readonly rest: readonly string[];
} {
  const at = frontOf(argv);
  const parsed = parseFlags(argv.slice(0, at), FLAGS, '');
  const value = (name: string): string | undefined => parsed.values.get(name)?.at(-1);
  const flag = (name: string): boolean | undefined =>
    parsed.values.has(name) ? isSet(parsed, name) : undefined;
  return {
    globals: {
      config: value('config'),
      host: value('host'),
      context: value('context'),
      debug: isSet(parsed, 'debug'),
      tls: {
        tls: flag('tls'),
        tlsverify: flag('tlsverify'),
        tlscacert: value('tlscacert'),
        tlscert: value('tlscert'),
        tlskey: value('tlskey'),
      },
    },
    rest: argv.slice(at),
  };
}

/** Where the first word is that is neither a flag nor the value of one. */
function frontOf(argv: readonly string[]): number {
  for (let at = 0; at < argv.length; at += 1) {
    const arg = argv[at] ?? '';
    if (!arg.startsWith('-')) return at;
    const name = arg.startsWith('--')
      ? arg.slice(2)
      : Object.keys(FLAGS).find((one) => `-${FLAGS[one]?.short}` === arg);
    const kind = name === undefined ? undefined : FLAGS[name]?.kind;
    if (kind === 'one' || kind === 'many') at += 1;
  }
  return argv.length;
}
