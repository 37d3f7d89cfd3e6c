import { TrustFailure } from './failure.ts';

/** The flags of a command: `true` takes no value, `one` a value, `many` may be repeated. */
export type FlagKinds = Readonly<
  Record<string, { readonly kind: FlagKind; readonly short?: string }>
>;
type FlagKind = 'true' | 'one' | 'many';

/** What a command line says, read as docker's library (pflag) reads it. */
export interface Parsed {
  readonly rest: readonly string[];
  /** Values by flag, in order; of a `true` flag its last value. */
  readonly values: ReadonlyMap<string, readonly string[]>;
  /** True where help was asked for: `-h` or `--help`. */
  readonly help: '-h' | '--help' | null;
}

// Go's strconv.ParseBool.
const YES = new Set(['1', 't', 'T', 'TRUE', 'true', 'True']);
const NO = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False']);

/**
 * Reads arguments: flags anywhere before `--`, `--name=value` or `--name value`, short ones joined.
 * Throws a {@link TrustFailure} with status 125 and pflag's words; `hint` is what follows them.
 */
export function parseFlags(argv: readonly string[], kinds: FlagKinds, hint: string): Parsed {
  const rest: string[] = [];
  const values = new Map<string, readonly string[]>();
  let help: Parsed['help'] = null;
  const fail = (message: string): never => {
    throw new TrustFailure(`${message}${hint}`, 125);
  };
  const set = (name: string, value: string, shown: string): void => {
    const { kind } = kinds[name] ?? { kind: 'one' };
    if (kind === 'true' && !YES.has(value) && !NO.has(value)) {
      fail(
        `invalid argument "${value}" for "${shown}" flag: strconv.ParseBool: parsing "${value}": invalid syntax`,
      );
    }
    values.set(name, kind === 'many' ? [...(values.get(name) ?? []), value] : [value]);
  };
  const queue = [...argv];
  for (let arg = queue.shift(); arg !== undefined; arg = queue.shift()) {
    if (arg === '--') {
      rest.push(...queue.splice(0));
    } else if (arg.startsWith('--')) {
      const [name = '', ...after] = arg.slice(2).split('=');
      const shown = shownName(name, kinds);
      if (name === 'help') help ??= '--help';
      else if (!Object.hasOwn(kinds, name)) fail(`unknown flag: --${name}`);
      else if (after.length > 0) set(name, after.join('='), shown);
      else if (kinds[name]?.kind === 'true') set(name, 'true', shown);
      else set(name, queue.shift() ?? fail(`flag needs an argument: --${name}`), shown);
    } else if (arg.startsWith('-') && arg !== '-') {
      readShort(arg);
    } else {
      rest.push(arg);
    }
  }
  return { rest, values, help };

  function readShort(arg: string): void {
    for (let at = 1; at < arg.length; at += 1) {
      const letter = arg.charAt(at);
      const name = Object.keys(kinds).find((one) => kinds[one]?.short === letter);
      if (name === undefined && letter === 'h') {
        help ??= '-h';
        continue;
      }
      if (name === undefined) {
        fail(`unknown shorthand flag: '${letter}' in -${arg.slice(at)}`);
        return;
      }
      const shown = shownName(name, kinds);
      const after = arg.slice(at + 1);
      const given = after.startsWith('=');
      if (kinds[name]?.kind === 'true' && !given) {
        set(name, 'true', shown);
        continue;
      }
      const value = given ? after.slice(1) : after;
      set(
        name,
        value !== '' || given
          ? value
          : (queue.shift() ?? fail(`flag needs an argument: '${letter}' in -${arg.slice(at)}`)),
        shown,
      );
      return;
    }
  }
}

function shownName(name: string, kinds: FlagKinds): string {
  const short = kinds[name]?.short;
  return short === undefined ? `--${name}` : `-${short}, --${name}`;
}

/** True where a flag without value was given, and not as `=false`. */
export function isSet({ values }: Parsed, name: string): boolean {
  return YES.has(values.get(name)?.[0] ?? '');
}
