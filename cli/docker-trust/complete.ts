import { SHAPES } from './shapes.ts';

/** What docker's shell completion asks a plugin: the words so far, the last one half typed. Directive 4: no files. */
export function completions(words: readonly string[]): string {
  const path = words.slice(words.indexOf('trust') + 1, -1).filter((word) => !word.startsWith('-'));
  const typed = words.at(-1) ?? '';
  const before = path.join(' ');
  const next = Object.keys(SHAPES)
    .filter((name) => name !== '' && name.startsWith(before === '' ? '' : `${before} `))
    .map((name) => name.slice(before === '' ? 0 : before.length + 1).split(' ', 1)[0] ?? '');
  const fitting = [...new Set(next)].filter((word) => word.startsWith(typed)).toSorted();
  const [directive, list] = fitting.length === 0 ? [0, []] : [4, fitting];
  return [...list, `:${directive}`, ''].join('\n');
}
