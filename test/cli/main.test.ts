import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Site } from '../support/countersign.ts';
import { createSite } from '../support/countersign.ts';
import { suiteScope } from '../support/scope.ts';

describe('the command line', () => {
  const scope = suiteScope();
  let made: Site | undefined;
  const site = (): Site => (made ??= createSite(join(scope.folder(), 'site')));

  it.each([
    ['an unknown command', ['veriy'], 'Did you mean verify?', 'countersign --help'],
    [
      'an unknown subcommand',
      ['policy', 'chek'],
      'Did you mean check?',
      'countersign policy --help',
    ],
    [
      'an unknown option',
      ['verify', '--ofline'],
      'Did you mean --offline?',
      'countersign verify --help',
    ],
    ['a missing argument', ['policy', 'explain'], "'image'", 'countersign policy explain --help'],
  ])('names the help of the command where it finds %s', async (_name, args, said, help) => {
    const ran = await site().cli(args);
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain(said);
    expect(ran.stderr).toContain(`(see ${help})`);
  });

  it.each([
    [
      'a mistake in the arguments',
      ['verify', '--ofline', 'x'],
      /^unknown option '--ofline' \(Did you mean/,
    ],
    ['an unknown command', ['nonsense'], /^unknown command 'nonsense'$/],
    ['no command', [], /^expected a command$/],
  ])('reports %s as JSON where that is asked for', async (_name, args, message) => {
    const { code, stdout } = await site().cli([...args, '--output', 'json']);
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toEqual({
      error: { code: 'USAGE', message: expect.stringMatching(message) },
    });
  });
});
