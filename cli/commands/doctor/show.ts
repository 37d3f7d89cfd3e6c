import { oneLine } from '../../display.ts';
import type { Check } from './check.ts';

const WORDS: Readonly<Record<Check['status'], string>> = {
  closed: 'ok      ',
  open: 'OPEN    ',
  unknown: 'unknown ',
  note: 'note    ',
};

/** A check for a person: what was found, and below it what to do. */
export function describe({ status, subject, found, mend }: Check): string {
  const line = oneLine(`${WORDS[status]} ${subject}: ${found}`);
  return mend === '' ? line : `${line}\n${' '.repeat(9)}${mend}`;
}

/** The last line. */
export function verdict(gate: string | null, open: number, unknown: number): string {
  const lead = gate === null ? 'do nothing any more' : `lead round ${gate} or do nothing`;
  if (open > 0) return `${open} of these ${lead}.`;
  const none =
    gate === null ? 'No content trust that does nothing was found' : `Nothing leads round ${gate}`;
  if (unknown > 0) {
    return gate === null
      ? `${none}; ${unknown} could not be found out.`
      : `Nothing that was found leads round ${gate}; ${unknown} could not be found out.`;
  }
  return `${none}.`;
}
