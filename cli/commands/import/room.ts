import { stat, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { oneLine } from '../../display.ts';
import type { Output } from '../../output.ts';

/** Below this nobody asks. */
const MUCH = 100_000_000;

/** Says before a large import what it takes of a folder's disk, and warns where that has less. */
export async function tellRoom(output: Output, folder: string, bytes: number): Promise<void> {
  if (bytes < MUCH) return;
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  const said = `this takes about ${megabytes(bytes)} in ${oneLine(folder)}, which has ${megabytes(free)} free`;
  if (free < bytes)
    output.warn(`${said}; what is imported before the disk is full stays, and a next run goes on`);
  else output.note(said);
}

/**
 * As {@link tellRoom}, of the temporary folder and what dumps leave there while they are read: in text
 * a byte is two digits, and packed dumps take at least what they take now.
 */
export async function tellSpoolRoom(output: Output, dumps: readonly string[]): Promise<void> {
  let bytes = 0;
  for (const dump of dumps) {
    // One that is not there is told of when it is read.
    const size = await stat(dump).then(
      (found) => found.size,
      () => 0,
    );
    bytes += dump.endsWith('.gz') ? size : size / 2;
  }
  await tellRoom(output, tmpdir(), bytes);
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1_000_000)} MB`;
}
