import { createHash, randomFillSync } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { startDockerRegistry } from '../../test/support/docker-registry.ts';
import { mustRun } from '../../test/support/run.ts';
import type { Figure, Measure } from '../support/measure.ts';
import { alternate, median } from '../support/measure.ts';
import { openGate } from '../support/gate.ts';
import { processorMs, processWith } from '../support/process.ts';

const MB = 200;
const ROUNDS = 9;
/** What a link of 1 Gbit/s carries, in bytes per second. */
const GIGABIT = 118_000_000;

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
async function curl(...args: readonly string[]): Promise<string> {
  return (await mustRun('curl', ['-sS', '--fail', '-o', '/dev/null', ...args])).stdout;
}

const SECONDS = ['-w', '%{time_total}'];

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

/** A layer's way through the gate, beside the registry asked directly. */
export const blob: Measure = {
  name: 'blob',
  about:
    `A blob of ${MB} MB pulled and pushed by curl over loopback, in ${ROUNDS} alternating runs each: through ` +
    `the gate, and docker-registry directly; as fast as it goes, and at the rate of a link of 1 Gbit/s.`,
  needs: ['docker-registry'],
  run: async (folder) => {
    const registry = await startDockerRegistry(join(folder, 'registry'));
    const gate = await openGate(join(folder, 'site'), registry.url);
    try {
      const pid = processWith(`--listen\0${gate.service.host}`);
      const file = join(folder, 'blob');
      const digest = writeBlob(file, MB);
      await upload(registry.url, file, digest);
      const pull =
        (url: string, ...rate: readonly string[]) =>
        async () =>
          Number(await curl(...SECONDS, ...rate, `${url}/v2/bench/app/blobs/${digest}`));
      const push = (url: string) => () => upload(url, file);
      const slow = ['--limit-rate', String(GIGABIT)];
      const before = processorMs(pid);
      return [
        ...(await compare('pull', [pull(gate.service.url), pull(registry.url)])),
        {
          name: 'pull, processor time of the gate',
          value: (processorMs(pid) - before) / (ROUNDS + 1),
          unit: 'ms',
        },
        ...(await compare(
          'pull at 1 Gbit/s',
          [pull(gate.service.url, ...slow), pull(registry.url, ...slow)],
          0.95,
        )),
        ...(await compare('push', [push(gate.service.url), push(registry.url)], 0.95)),
      ];
    } finally {
      await gate.service.stop();
      await registry.stop();
    }
  },
};

/** Rates of both sides (the gate first) and their ratio, which is to be at least `bound`. */
async function compare(
  name: string,
  sides: readonly [() => Promise<number>, () => Promise<number>],
  bound?: number,
): Promise<Figure[]> {
  for (const side of sides) await side();
  const [ours = [], theirs = []] = await alternate(ROUNDS, sides);
  const rate = (who: string, seconds: readonly number[]): Figure => ({
    name: `${name}, ${who}`,
    value: MB / median(seconds),
    unit: 'MB/s',
    samples: seconds.map((one) => MB / one),
  });
  return [
    rate('gate', ours),
    rate('docker-registry', theirs),
    {
      name: `${name}, ratio`,
      value: median(theirs) / median(ours),
      unit: '×',
      ...(bound === undefined ? {} : { bound: { at: 'least', value: bound } as const }),
    },
  ];
}
