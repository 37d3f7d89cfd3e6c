import { execFileSync } from 'node:child_process';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readBoundedFile, replaceFile } from '../../src/lib/file.ts';
import { watchFiles } from '../../src/lib/watch-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'countersign-test-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);

describe('bounded files', () => {
  it('gives bytes and permissions', async () => {
    writeFileSync(at('a'), 'hello', { mode: 0o640 });
    const read = await readBoundedFile(at('a'), 5, 'CONFIG_INVALID');
    expect(read).toMatchObject({ ok: true, value: { mode: 0o640 } });
    expect(read.ok && read.value.bytes.toString()).toBe('hello');
  });

  it('refuses what is longer, missing or no file, with the code of the caller', async () => {
    writeFileSync(at('b'), 'hello!');
    const long = await readBoundedFile(at('b'), 5, 'POLICY_INVALID');
    const missing = await readBoundedFile(at('none'), 5, 'CONFIG_INVALID');
    const dir = await readBoundedFile(folder, 5, 'CONFIG_INVALID');
    const device = await readBoundedFile('/dev/zero', 5, 'CONFIG_INVALID');
    expect(long).toMatchObject({
      refusal: {
        code: 'POLICY_INVALID',
        message: expect.stringMatching(/at most 5 bytes/) as string,
      },
    });
    expect(missing).toMatchObject({
      refusal: { message: expect.stringMatching(/there is no such file/) as string },
    });
    expect(dir).toMatchObject({
      refusal: { message: expect.stringMatching(/expected a file|folder/) as string },
    });
    expect(device).toMatchObject({
      refusal: { message: expect.stringMatching(/found something else/) as string },
    });
  });

  it('T-63: does not wait at a named pipe that nobody writes to', async () => {
    execFileSync('mkfifo', [at('pipe')]);
    expect(await readBoundedFile(at('pipe'), 5, 'CONFIG_INVALID')).toMatchObject({
      refusal: { message: expect.stringMatching(/found something else/) as string },
    });
  });

  it('replaces a file whole, with its mode, and leaves no draft', async () => {
    await replaceFile(at('c'), 'one', 0o600);
    await replaceFile(at('c'), 'two', 0o600);
    expect(readFileSync(at('c'), 'utf8')).toBe('two');
    expect(statSync(at('c')).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    await expect(replaceFile(at('no/such/folder'), 'x', 0o600)).rejects.toThrow('ENOENT');
  });
});

describe('watched files', () => {
  it('tells of a write, of an exchanged link and of a file that goes, and of nothing else', async () => {
    writeFileSync(at('v1'), 'x');
    writeFileSync(at('v2'), 'x');
    symlinkSync(at('v1'), at('link'));
    let calls = 0;
    const watch = await watchFiles([at('link')], async () => void calls++, 1_000_000);
    await watch.refresh();
    expect(calls).toBe(0);
    writeFileSync(at('v1'), 'changed');
    await watch.refresh();
    await watch.refresh();
    expect(calls).toBe(1);
    // As Kubernetes exchanges a volume: the same name leads to another file.
    rmSync(at('link'));
    symlinkSync(at('v2'), at('link'));
    await watch.refresh();
    expect(calls).toBe(2);
    rmSync(at('link'));
    await watch.refresh();
    expect(calls).toBe(3);
    watch.close();
    writeFileSync(at('link'), 'x');
    await watch.refresh();
    expect(calls).toBe(3);
  });
});
