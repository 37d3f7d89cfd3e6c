import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Child } from './child.ts';
import { startChild, waitFor } from './child.ts';
import { answers } from './docker-registry.ts';

/** The checkout. */
export const ROOT = join(import.meta.dirname, '../..');
/** The README's text. */
export const README = readFileSync(join(ROOT, 'README.md'), 'utf8');

const blocks = [...README.matchAll(/```sh\n([^]*?)```/g)].map((match) =>
  (match[1] ?? '').trim().split('\n'),
);
const [, setUp = [], story = [], docker28 = [], docker29 = []] = blocks;
/** What a reader pastes, block by block and line by line, in the order of the page. */
export const STORIES = { setUp, story, docker28, docker29 } as const;

/** What is between a line's `# … ` and its end: what the reader is told that they will see. */
export function promised(line: string): string {
  return /# .*?… (.*?) ?…?$/.exec(line)?.[1] ?? 'a promise';
}

/** What a person reads, on one line. */
export function flat(text: string): string {
  return text.replaceAll(/\s*#?\s+/g, ' ');
}

/** A line of the README as it stands, with our own binary for npx and free ports. */
export function withPorts(line: string, registry: string, gate: string): string {
  return line
    .replaceAll('npx countersign', `"${process.execPath}" "${join(ROOT, 'bin/countersign.js')}"`)
    .replaceAll('http://localhost:5000', registry)
    .replaceAll('localhost:5443', gate);
}

/** Starts the line that serves, and waits until it is ready. */
export async function startLine(
  line: string,
  gate: string,
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): Promise<Child> {
  const service = startChild('sh', ['-c', `exec ${line} --listen ${gate}`], options);
  await waitFor(service, 'countersign serve', () => answers(`http://${gate}/readyz`));
  return service;
}
