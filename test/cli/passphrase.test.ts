import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { passphrases } from '../../cli/passphrase.ts';
import type { Terminal } from '../../cli/terminal.ts';
import { openTerminal } from '../../cli/terminal.ts';
import type { PassphraseRequest } from '../../src/keys/passphrase.ts';
import { suiteScope } from '../support/scope.ts';

const REPOSITORY = 'DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE';
const ROOT = 'DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE';
const env = {
  [REPOSITORY]: 'of the repository',
  [ROOT]: 'of the root',
  COSIGN_PASSWORD: 'of cosign',
};
const signer: PassphraseRequest = { subject: 'key alice', role: 'alice', cosign: false };
const root: PassphraseRequest = { subject: 'key root', role: 'root', cosign: false };
const cosign: PassphraseRequest = { subject: './cosign.key', role: null, cosign: true };
const failure = (code: string, message: string): object =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

/** A terminal on real streams: types each answer when its question has appeared (`null`: it goes away), and keeps what was shown. */
function typing(answers: readonly (string | null)[]): {
  terminal: Terminal | null;
  shown: () => string;
} {
  const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => undefined });
  const output = Object.assign(new PassThrough(), { isTTY: true, columns: 80, rows: 24 });
  let shown = '';
  let asked = 0;
  output.on('data', (chunk: Buffer) => {
    shown += chunk.toString();
    const questions = shown.match(/(?:passphrase for|Repeat the)/g)?.length ?? 0;
    if (questions > asked && asked < answers.length) {
      const answer = answers[asked++] ?? null;
      setImmediate(() => {
        if (answer === null) {
          input.end();
          return;
        }
        for (const key of answer) input.write(key);
        input.write('\r');
      });
    }
  });
  return { terminal: openTerminal(input, output), shown: () => shown };
}

describe('passphrases', () => {
  const scope = suiteScope();
  const file = (name: string, text: string | Uint8Array): string => {
    const path = join(scope.folder(), name);
    writeFileSync(path, text);
    return path;
  };

  it('come from the variable of the key: root, others, cosign', async () => {
    const { open } = passphrases({ env, terminal: null });
    expect(await open(signer)).toBe('of the repository');
    expect(await open({ ...signer, role: 'targets' })).toBe('of the repository');
    expect(await open(root)).toBe('of the root');
    expect(await open(cosign)).toBe('of cosign');
  });

  it('come from the file before the variable, without its line end', async () => {
    for (const end of ['', '\n', '\r\n']) {
      const { open } = passphrases({ env, file: file('p', `two words ${end}`), terminal: null });
      expect(await open(signer)).toBe('two words ');
    }
  });

  it('are read from a pipe as well', () => {
    const code = `
      import { passphrases } from '${join(import.meta.dirname, '../../cli/passphrase.ts')}';
      const { open } = passphrases({ env: {}, file: '/dev/stdin', terminal: null });
      process.stdout.write(await open({ subject: 'key', role: null, cosign: false }));`;
    const line = 'echo from a pipe | "$0" --input-type=module --eval "$1"';
    const ran = spawnSync('sh', ['-c', line, process.execPath, code], { encoding: 'utf8' });
    expect(ran.stdout).toBe('from a pipe');
  });

  it.each([
    ['an empty file', ''],
    ['an empty line', '\n'],
    ['two lines', 'one\ntwo\n'],
    ['a NUL', 'one\0two'],
    ['bytes that are no text', Buffer.of(0xff)],
    ['5000 bytes', 'x'.repeat(5000)],
  ])('are refused from %s', async (_, text) => {
    const { open } = passphrases({ env, file: file('bad', text), terminal: null });
    await expect(open(signer)).rejects.toEqual(failure('USAGE', 'one line of text'));
  });

  it('do not fall back to a variable where the named file is missing', async () => {
    const { open } = passphrases({ env, file: join(scope.folder(), 'none'), terminal: null });
    await expect(open(signer)).rejects.toEqual(failure('USAGE', 'ENOENT'));
  });

  it('take an empty variable for none, but for cosign, where it is a passphrase', async () => {
    const empty = { [REPOSITORY]: '', [ROOT]: '', COSIGN_PASSWORD: '' };
    const { open, fresh } = passphrases({ env: empty, terminal: null });
    await expect(open(signer)).rejects.toEqual(failure('PASSPHRASE_MISSING', REPOSITORY));
    await expect(open(root)).rejects.toEqual(failure('PASSPHRASE_MISSING', ROOT));
    expect(await open(cosign)).toBe('');
    await expect(fresh(cosign)).rejects.toEqual(failure('USAGE', 'at least 8'));
  });

  it('that are missing name the option and the variable', async () => {
    const { open, fresh } = passphrases({ env: {}, terminal: null });
    await expect(open(cosign)).rejects.toEqual(failure('PASSPHRASE_MISSING', 'COSIGN_PASSWORD'));
    await expect(fresh(signer)).rejects.toEqual(
      failure('PASSPHRASE_MISSING', '--passphrase-file FILE or set DOCKER_CONTENT_TRUST'),
    );
  });

  it('for what is written come from its own file, the file, the variable, then what opened the key', async () => {
    const [one, two] = [file('one', 'number one'), file('two', 'number two')];
    const fresh = async (options: object, ...opened: PassphraseRequest[]): Promise<string> => {
      const source = passphrases({ env: {}, terminal: null, ...options });
      for (const request of opened) await source.open(request);
      return source.fresh(signer);
    };
    expect(await fresh({ newFile: two, file: one, env })).toBe('number two');
    expect(await fresh({ file: one, env })).toBe('number one');
    expect(await fresh({ env })).toBe('of the repository');
    const onlyCosign = { COSIGN_PASSWORD: 'of cosign' };
    expect(await fresh({ env: onlyCosign }, cosign)).toBe('of cosign');
  });

  it('that are new have eight characters, wherever they come from, and are not repeated in the refusal', async () => {
    const refused = passphrases({ env: { [REPOSITORY]: 'seven77' }, terminal: null }).fresh(signer);
    await expect(refused).rejects.toEqual(failure('USAGE', 'at least 8'));
    await expect(refused).rejects.not.toEqual(failure('USAGE', 'seven77'));
  });

  it('are asked for at a terminal, once for a key that is there, and not shown', async () => {
    const { terminal, shown } = typing(['hunter22']);
    expect(await passphrases({ env: {}, terminal }).open(signer)).toBe('hunter22');
    expect(shown()).toContain('Enter passphrase for key alice');
    expect(shown()).not.toContain('hunter22');
  });

  it('are asked for twice where they are new', async () => {
    const { terminal, shown } = typing(['hunter22', 'hunter22']);
    expect(await passphrases({ env: {}, terminal }).fresh(signer)).toBe('hunter22');
    expect(shown()).toContain('Repeat the passphrase');
    expect(shown()).not.toContain('hunter22');
  });

  it('are refused where the two answers differ, or the first is too short', async () => {
    const differ = passphrases({ env: {}, terminal: typing(['hunter22', 'hunter23']).terminal });
    await expect(differ.fresh(signer)).rejects.toEqual(failure('USAGE', 'differ'));
    const short = typing(['short']);
    const refused = passphrases({ env: {}, terminal: short.terminal }).fresh(signer);
    await expect(refused).rejects.toEqual(failure('USAGE', 'at least 8'));
    expect(short.shown()).not.toContain('Repeat');
  });

  it.each([
    ['presses Ctrl-C', '\u0003'],
    ['presses Ctrl-D', '\u0004'],
    ['closes the terminal', null],
  ])('are missing where the person %s', async (_what, answer) => {
    const { terminal } = typing([answer]);
    await expect(passphrases({ env: {}, terminal }).open(signer)).rejects.toEqual(
      failure('PASSPHRASE_MISSING', 'cancelled'),
    );
  });

  it('are not asked for where stdin or stderr is no terminal', () => {
    const tty = Object.assign(new PassThrough(), { isTTY: true });
    expect(openTerminal(new PassThrough(), tty)).toBeNull();
    expect(openTerminal(tty, new PassThrough())).toBeNull();
  });
});
