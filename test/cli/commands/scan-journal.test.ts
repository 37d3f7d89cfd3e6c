import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { JournalOptions } from '../../../cli/commands/scan/journal.ts';
import { defaultJournal, openJournal } from '../../../cli/commands/scan/journal.ts';
import type { Judged } from '../../../cli/commands/scan/verdict.ts';
import { digestOf } from '../../../src/oci/digest.ts';

const NOW = new Date('2026-11-21T12:00:00Z');
const judged = (tag: string, basis = 'one'): Judged => ({
  image: `registry.example.com/team/app:${tag}`,
  digest: digestOf(Buffer.from(tag)),
  verdict: 'refused',
  policy: 'team',
  code: 'NOT_TRUSTED',
  message: 'not signed',
  basis,
});

describe("a scan's journal", () => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-test-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  let count = 0;
  const fresh = (): string => join(folder, `${++count}`, 'journal');
  const opened = (file: string, more: Partial<JournalOptions> = {}) =>
    openJournal({
      file,
      question: 'all of it',
      resume: true,
      now: NOW,
      onTrouble: (why) => expect.fail(why),
      ...more,
    });
  /** A journal of some images, as an interrupted scan leaves it. */
  const left = async (...all: readonly Judged[]): Promise<string> => {
    const file = fresh();
    const journal = await opened(file);
    for (const one of all) journal.add(one);
    await journal.keep();
    return file;
  };
  const earlier = async (file: string): Promise<readonly string[]> => {
    const journal = await opened(file);
    await journal.keep();
    return [...journal.earlier.keys()].map((name) => name.split(':').at(-1) ?? '');
  };

  it('gives back what was taken down, the later of two judgements of one image', async () => {
    const file = await left(judged('1'), judged('2'), judged('1', 'two'));
    const journal = await opened(file);
    expect([...journal.earlier.values()]).toEqual([judged('1', 'two'), judged('2')]);
    journal.add(judged('3'));
    await journal.keep();
    expect(await earlier(file)).toEqual(['1', '2', '3']);
    await (await opened(file)).remove();
    expect(await earlier(file)).toEqual([]);
  });

  it('does without the end that a crash tore off, and goes on after the last whole line', async () => {
    const file = await left(judged('1'), judged('2'));
    const bytes = readFileSync(file);
    for (const torn of [1, 20, 100]) {
      writeFileSync(file, bytes.subarray(0, bytes.length - torn));
      const journal = await opened(file);
      expect([...journal.earlier.keys()]).toHaveLength(1);
      journal.add(judged('3'));
      await journal.keep();
      expect(await earlier(file)).toEqual(['1', '3']);
    }
    // What a file system made longer before its bytes were there.
    writeFileSync(file, Buffer.concat([bytes, Buffer.alloc(64), Buffer.from('\n')]));
    expect(await earlier(file)).toEqual(['1', '2']);
  });

  it('refuses damage in the middle, by the number of the line', async () => {
    for (const bad of ['garbage', '{}', '{"image":"a","digest":"sha256:1","verdict":"refused"}']) {
      const file = await left(judged('1'));
      appendFileSync(file, `${bad}\n`);
      appendFileSync(file, readFileSync(file).toString().split('\n')[1] + '\n');
      await expect(opened(file)).rejects.toMatchObject({
        code: 'USAGE',
        message: expect.stringContaining('line 3') as string,
      });
    }
  });

  it('overwrites no file that is no journal, whether to go on or to begin anew', async () => {
    for (const text of ['my only copy\n', 'no line', '{"countersign":"scan","version":2}\n']) {
      const file = await left();
      writeFileSync(file, text);
      for (const resume of [true, false])
        await expect(opened(file, { resume })).rejects.toMatchObject({ code: 'USAGE' });
      expect(readFileSync(file).toString()).toBe(text);
    }
    await expect(opened(folder)).rejects.toMatchObject({ code: 'USAGE' });
  });

  it('goes on with no other scan, and begins anew where that is asked for or it is too old', async () => {
    const file = await left(judged('1'));
    await expect(opened(file, { question: 'another' })).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining('other arguments') as string,
    });
    const later = new Date(NOW.getTime() + 25 * 60 * 60 * 1000);
    const old = await opened(file, { now: later });
    await old.keep();
    expect(old.earlier.size).toBe(0);
    const again = await left(judged('1'));
    const anew = await opened(again, { resume: false, question: 'another' });
    await anew.keep();
    expect(anew.earlier.size).toBe(0);
    expect(readFileSync(again).toString()).not.toContain('team/app');
  });

  it('has a place of its own for each question, in the folder for state', () => {
    const one = defaultJournal({ HOME: '/home/a' }, 'one');
    expect(one).toMatch(/^\/home\/a\/\.local\/state\/countersign\/scan-[0-9a-f]{16}\.jsonl$/);
    expect(defaultJournal({ HOME: '/home/a' }, 'two')).not.toBe(one);
    expect(defaultJournal({ HOME: '/home/a', XDG_STATE_HOME: '/s' }, 'one')).toMatch(
      /^\/s\/countersign\/scan-/,
    );
  });
});
