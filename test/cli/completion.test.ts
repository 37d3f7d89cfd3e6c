import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-test-'));
  const script = execFileSync(process.execPath, ['bin/countersign.js', 'completion', 'bash'], {
    cwd: root,
  });
  writeFileSync(join(folder, 'completion.bash'), script);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What a real bash offers for a half-typed command line. */
function complete(...words: readonly string[]): string[] {
  const ask = `source completion.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _countersign; echo "\${COMPREPLY[@]}"`;
  const out = execFileSync('bash', ['-c', ask, 'bash', ...words], {
    cwd: folder,
    encoding: 'utf8',
  });
  return out.split(/\s+/).filter((word) => word !== '');
}

describe('completion in bash', () => {
  it.each([
    [['countersign', 'ver'], ['verify']],
    [['countersign', 'key', 'ge'], ['generate']],
    [['countersign', 'key', 'generate', '--ty'], ['--type']],
    [['countersign', '--output', 'json', 'sign', '--fo'], ['--format']],
  ])('completes %j to %j', (words, expected) => {
    expect(complete(...words)).toEqual(expected);
  });

  it('knows every command', () => {
    expect(complete('countersign', '')).toEqual(
      expect.arrayContaining(['serve', 'demo', 'policy', 'completion']),
    );
  });
});
