import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { mkdir, open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CountersignError, messageOf } from '../../../src/lib/errors.ts';
import { replaceFile } from '../../../src/lib/file.ts';
import type { Judged } from './verdict.ts';
import { headerLine, judgedLine, readJournal } from './journal-lines.ts';

/** A scan's memory on disk: what was judged before it was broken off. */
export interface Journal {
  /** What an earlier run of the same scan has judged, by image. */
  readonly earlier: ReadonlyMap<string, Judged>;
  /** Takes a judgement down; it is on disk soon, in the order of adding. */
  add(judged: Judged): void;
  /** Waits until all that was added is on disk, and keeps the file. Never throws: see `onTrouble`. */
  keep(): Promise<void>;
  /** The scan is done: nothing is left to go on with. */
  remove(): Promise<void>;
}

/** Which journal to open, and for what. */
export interface JournalOptions {
  readonly file: string;
  /** What was asked, as text: a journal of another question is never gone on with. */
  readonly question: string;
  readonly resume: boolean;
  readonly now: Date;
  /** Told once, when the file can no longer be written: the scan goes on without. */
  readonly onTrouble: (why: string) => void;
}

/** Where the journal of a question is kept unless a person says where. */
export function defaultJournal(env: NodeJS.ProcessEnv, question: string): string {
  const home = env['HOME'] ?? '.';
  const state = env['XDG_STATE_HOME'] ?? '';
  const folder = state.startsWith('/') ? state : join(home, '.local', 'state');
  const name = createHash('sha256').update(question).digest('hex').slice(0, 16);
  return join(folder, 'countersign', `scan-${name}.jsonl`);
}

/**
 * Opens the journal: with `resume` what an earlier run left is taken over, else it is begun anew.
 * Throws USAGE for a file that is no journal, one of another scan, or one with damage other than an
 * end that a crash tore off, and where it cannot be written at all.
 */
export async function openJournal(options: JournalOptions): Promise<Journal> {
  const { file, question, resume, now } = options;
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    // Also where it is begun anew: what is no journal is not overwritten.
    const before = await readJournal(file, now);
    const goOn = resume && before !== null && !before.stale;
    if (goOn && before.question !== question) {
      throw new CountersignError(
        'USAGE',
        `expected ${file} to be the journal of this scan, found one of other arguments; leave out --resume to begin anew`,
      );
    }
    if (!goOn) await replaceFile(file, headerLine(question, now), 0o600);
    const handle = await open(file, 'a', 0o600);
    if (goOn) await handle.truncate(before.wholeBytes);
    return writing(handle, goOn ? before.judged : new Map(), options);
  } catch (error) {
    if (error instanceof CountersignError) throw error;
    throw new CountersignError(
      'USAGE',
      `could not write the journal ${file}: ${messageOf(error)}`,
      {
        cause: error,
      },
    );
  }
}

/** Lines wait for the one write that is under way, and go to disk together: one fsync for many. */
function writing(
  handle: FileHandle,
  earlier: ReadonlyMap<string, Judged>,
  { file, onTrouble }: JournalOptions,
): Journal {
  let waiting: string[] = [];
  let running: Promise<void> | null = null;
  let broken = false;
  const drain = async (): Promise<void> => {
    try {
      while (waiting.length > 0) {
        const text = waiting.join('');
        waiting = [];
        await handle.appendFile(text);
        await handle.datasync();
      }
    } catch (error) {
      broken = true;
      onTrouble(`the journal ${file} can no longer be written: ${messageOf(error)}`);
    } finally {
      running = null;
    }
  };
  const keep = async (): Promise<void> => {
    while (running !== null) await running;
    await handle.close().catch(() => undefined);
    broken = true;
  };
  return {
    earlier,
    add(judged) {
      if (broken) return;
      waiting.push(judgedLine(judged));
      running ??= drain();
    },
    keep,
    async remove() {
      await keep();
      await rm(file, { force: true });
    },
  };
}
