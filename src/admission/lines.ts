import { plain } from '../policy/message.ts';

/** Longest line: a container's name and the message of a refusal. */
const LINE_CHARS = 400;

/** Joins printable lines, as many as fit into `room` characters, and says how many more there are. */
export function plainLines(lines: readonly string[], room: number): string {
  const kept: string[] = [];
  let left = room - ' and 1000 more'.length;
  for (const line of lines) {
    const text = plain(line, LINE_CHARS);
    if (text.length + 1 > left) break;
    kept.push(text);
    left -= text.length + 1;
  }
  const more = lines.length - kept.length;
  return more === 0 ? kept.join('\n') : `${kept.join('\n')}\nand ${more} more`;
}
