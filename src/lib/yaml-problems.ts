import type { LineCounter } from 'yaml';

/** More than this many messages help nobody; the rest is counted. */
const MAX_PROBLEMS = 20;

/** What is wrong with one file: the nodes of a document collect it together. */
export interface YamlProblems {
  readonly file: string;
  readonly lines: LineCounter;
  /** `file:line: message`, in the order in which they were found. */
  readonly problems: string[];
}

/** Collects a message about the place at an offset. */
export function report(shared: YamlProblems, offset: number, message: string): void {
  const line = Math.max(1, shared.lines.linePos(offset).line);
  shared.problems.push(`${shared.file}:${line}: ${message}`);
}

/** The messages as one text: the first of them, and how many more there are. */
export function summary(problems: readonly string[]): string {
  const rest = problems.length - MAX_PROBLEMS;
  const shown = problems.slice(0, MAX_PROBLEMS);
  return (rest > 0 ? [...shown, `and ${rest} more`] : shown).join('\n');
}

/** The first line of what the library says, in the style of our own messages. */
export function firstLine(text: string): string {
  const line = text.split('\n', 1)[0] ?? text;
  return line.charAt(0).toLowerCase() + line.slice(1, 200);
}
