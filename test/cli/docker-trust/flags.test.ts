import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FlagKinds } from '../../../cli/docker-trust/flags.ts';
import { isSet, parseFlags } from '../../../cli/docker-trust/flags.ts';
import { TrustFailure } from '../../../cli/docker-trust/failure.ts';
import { readGlobals } from '../../../cli/docker-trust/globals.ts';

const KINDS: FlagKinds = {
  yes: { kind: 'true', short: 'y' },
  quiet: { kind: 'true', short: 'q' },
  name: { kind: 'one', short: 'n' },
  key: { kind: 'many' },
};
const parse = (...argv: readonly string[]) => parseFlags(argv, KINDS, '');

describe('flags as docker reads them', () => {
  it('stand before, between and behind arguments, and not behind --', () => {
    const { rest, values } = parse('a', '--key', 'x', 'b', '--key=y=z', '--', '--yes', '-y');
    expect(rest).toEqual(['a', 'b', '--yes', '-y']);
    expect(values.get('key')).toEqual(['x', 'y=z']);
    expect(values.has('yes')).toBe(false);
  });

  it('are joined where they are short, the last one with its value', () => {
    const parsed = parse('-yqnbob', '-');
    expect(parsed.rest).toEqual(['-']);
    expect([isSet(parsed, 'yes'), isSet(parsed, 'quiet')]).toEqual([true, true]);
    expect(parsed.values.get('name')).toEqual(['bob']);
    expect(parse('-n', 'bob').values.get('name')).toEqual(['bob']);
    expect(parse('-n=bob').values.get('name')).toEqual(['bob']);
  });

  it('are off where they are said to be', () => {
    expect(isSet(parse('--yes=false'), 'yes')).toBe(false);
    expect(isSet(parse('--yes', '--yes=0'), 'yes')).toBe(false);
    expect(isSet(parse('-y=T'), 'yes')).toBe(true);
  });

  it.each([
    [['--bogus'], 'unknown flag: --bogus'],
    [['--constructor'], 'unknown flag: --constructor'],
    [['-yx'], "unknown shorthand flag: 'x' in -x"],
    [['--key'], 'flag needs an argument: --key'],
    [['-n'], "flag needs an argument: 'n' in -n"],
    [
      ['--yes=maybe'],
      'invalid argument "maybe" for "-y, --yes" flag: strconv.ParseBool: parsing "maybe": invalid syntax',
    ],
  ])('%j is refused with status 125', (argv, message) => {
    const failure = new TrustFailure(message, 125);
    expect(() => parse(...argv)).toThrow(failure);
    expect.assertions(2);
    try {
      parse(...argv);
    } catch (error) {
      expect(error).toMatchObject({ status: 125 });
    }
  });

  it('lose no argument, whatever is typed', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' })), (words) => {
        expect(parse('--', ...words).rest).toEqual(words);
      }),
    );
  });
});

describe("docker's own flags", () => {
  it.each([
    [['trust', 'sign', 'x'], {}, ['trust', 'sign', 'x']],
    [['--config', '/c', 'trust'], { config: '/c' }, ['trust']],
    [
      ['-D', '-H', 'unix:///s', '--context=far', 'trust', '-h'],
      { debug: true, host: 'unix:///s', context: 'far' },
      ['trust', '-h'],
    ],
    [['-l', 'debug', 'help', 'trust'], {}, ['help', 'trust']],
  ])('%j stand before trust', (argv, globals, rest) => {
    const read = readGlobals(argv);
    expect(read.rest).toEqual(rest);
    expect(read.globals).toEqual({
      config: undefined,
      host: undefined,
      tls: {},
      context: undefined,
      debug: false,
      ...globals,
    });
  });
});
