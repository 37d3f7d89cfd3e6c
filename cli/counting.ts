import { SingleBar } from 'cli-progress';
import type { Output } from './output.ts';

/** Shows a person how far a long count has come. */
export interface Counting {
  /** One more is done; `note` says in a few words what has come out so far. */
  step(note: string): void;
  /** Ends the drawing; whatever is printed next stands below it. */
  end(): void;
}

/** Lines that are printed where nobody watches a terminal, at most. */
const LINES = 20;

/**
 * Counts up to `total`: a bar where a person watches a terminal, else a plain line for each twentieth.
 * `doing` is the word for it: `scanned`. `begun` are done already.
 */
export function showCounting(
  output: Output,
  {
    doing,
    total,
    begun = 0,
  }: { readonly doing: string; readonly total: number; readonly begun?: number },
): Counting {
  let done = begun;
  if (!output.interactive) {
    const every = Math.max(100, Math.ceil(total / LINES));
    return {
      step(note) {
        done++;
        if (done % every === 0 && done < total)
          output.note(`${doing} ${done} of ${total}: ${note}`);
      },
      end() {},
    };
  }
  const bar = new SingleBar({
    format: `${doing} [{bar}] {value}/{total} {note}`,
    stream: process.stderr,
    hideCursor: null,
    // Ctrl-C is the command's own affair: it says first how to go on.
    gracefulExit: false,
    barsize: 24,
    fps: 10,
    clearOnComplete: false,
  });
  bar.start(Math.max(total, 1), done, { note: '' });
  let ended = false;
  return {
    step(note) {
      bar.update(++done, { note });
    },
    end() {
      if (!ended) bar.stop();
      ended = true;
    },
  };
}
