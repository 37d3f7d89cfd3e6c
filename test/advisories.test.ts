import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

/**
 * Published advisories of this field that apply to what is here, by the numbers that tests and comments
 * use. Left out: signatures by time-stamping and certificate authorities (18 to 21), Notary v1 (22 to 27),
 * X.509 names (62), and what a log and pages will need (73 to 80, where not named below).
 */
const NAMED = [...range(1, 17), ...range(28, 61), ...range(63, 72)].filter(
  (number) => ![16, 17].includes(number),
);

function range(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from + 1 }, (_, at) => from + at);
}

function titles(folder: string): string {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('\n');
}

it('every advisory that applies is named by the test that answers it', () => {
  const text = titles(import.meta.dirname).replace(/^\s*(?:\/\/|\*).*$/gm, '');
  const known = new Set([...text.matchAll(/\bT-0?([0-9]+)\b/g)].map((match) => Number(match[1])));
  // "T-42 to T-52" names all of them.
  for (const [, from, to] of text.matchAll(/\bT-([0-9]+) to T-([0-9]+)\b/g)) {
    for (const number of range(Number(from), Number(to))) known.add(number);
  }
  expect(NAMED.filter((number) => !known.has(number)).map((number) => `T-${number}`)).toEqual([]);
});
