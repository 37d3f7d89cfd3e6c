import { createHash, randomFillSync } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { mustRun } from '../../test/support/run.ts';
import type { Figure } from './measure.ts';
import { alternate, median } from './measure.ts';

/** Writes a file of random megabytes; returns its digest. */
export function writeBlob(file: string, megabytes: number): string {
  const hash = createHash('sha256');
  const block = Buffer.alloc(1_000_000);
  const fd = openSync(file, 'w');
  try {
    for (let n = 0; n < megabytes; n++) {
      randomFillSync(block);
      hash.update(block);
      writeSync(fd, block);
    }
  } finally {
    closeSync(fd);
  }
  return `sha256:${hash.digest('hex')}`;
}

/** Runs curl and returns what it wrote on standard output. */
export async function curl(...args: readonly string[]): Promise<string> {
  return (await mustRun('curl', ['-sS', '--fail', '-o', '/dev/null', ...args])).stdout;
}

/** Uploads the file in one PATCH, as docker does; returns its seconds. With a digest the upload is finished, else given up. */
export async function upload(url: string, file: string, digest?: string): Promise<number> {
  const location = async (...args: readonly string[]): Promise<[string, number]> => {
    const out = await curl('-D', '-', '-w', 'seconds %{time_total}', ...args);
    const to = /^location: (\S+)/im.exec(out)?.[1] ?? '';
    return [new URL(to, url).href, Number(/seconds ([\d.]+)/.exec(out)?.[1])];
  };
  const [session] = await location('-X', 'POST', `${url}/v2/bench/app/blobs/uploads/`);
  const type = 'content-type: application/octet-stream';
  const sent = ['-X', 'PATCH', '-H', type, '-H', 'expect:', '-T', file];
  const [end, seconds] = await location(...sent, session);
  if (digest === undefined) await curl('-X', 'DELETE', end);
  else await curl('-X', 'PUT', `${end}${end.includes('?') ? '&' : '?'}digest=${digest}`);
  return seconds;
}

/** What is compared: how often, over how many megabytes, and how good the gate must be. */
export interface Comparison {
  readonly name: string;
  readonly rounds: number;
  readonly megabytes: number;
  /** The ratio that is to be reached. */
  readonly atLeast?: number;
}

/** Rates of both sides (the gate first; each gives its seconds), after one run each that does not count, and their ratio. */
export async function compareRates(
  { name, rounds, megabytes, atLeast }: Comparison,
  sides: readonly [() => Promise<number>, () => Promise<number>],
): Promise<Figure[]> {
  for (const side of sides) await side();
  const [ours = [], theirs = []] = await alternate(rounds, sides);
  const rate = (who: string, seconds: readonly number[]): Figure => ({
    name: `${name}, ${who}`,
    value: megabytes / median(seconds),
    unit: 'MB/s',
    samples: seconds.map((one) => megabytes / one),
  });
  return [
    rate('gate', ours),
    rate('docker-registry', theirs),
    {
      name: `${name}, ratio`,
      value: median(theirs) / median(ours),
      unit: '×',
      ...(atLeast === undefined ? {} : { bound: { at: 'least', value: atLeast } as const }),
    },
  ];
}
