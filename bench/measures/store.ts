import { randomBytes } from 'node:crypto';
import { openStore } from '../../src/store/open.ts';
import type { Store, Write } from '../../src/store/store.ts';
import type { Figure, Measure } from '../support/measure.ts';
import { timed } from '../support/measure.ts';

const LANES = [1, 8, 64, 256] as const;
const MILLISECONDS = 3000;

/** Durable appends to the record: each is on disk, and the high-water file written, before it counts. */
export const store: Measure = {
  name: 'store',
  about:
    `Durable appends of events of about 400 bytes to the record, by 1 to ${LANES.at(-1)} callers ` +
    `that each wait for their answer, ${MILLISECONDS / 1000} s each; and reads of the newest 100.`,
  needs: [],
  run: async (folder) => {
    const opened = await openStore({ data: folder, store: 'sqlite', clock: () => new Date() });
    try {
      await append(opened, 64, 500);
      const figures: Figure[] = [];
      for (const lanes of LANES) figures.push(...(await append(opened, lanes, MILLISECONDS)));
      const reads: number[] = [];
      for (let n = 0; n < 200; n++) reads.push(await timed(() => opened.events({ limit: 100 })));
      figures.push({ name: 'newest 100 events, p50', value: percentile(reads, 50), unit: 'ms' });
      return figures;
    } finally {
      await opened.close();
    }
  },
};

async function append(opened: Store, lanes: number, milliseconds: number): Promise<Figure[]> {
  const waits: number[] = [];
  const end = performance.now() + milliseconds;
  const lane = async (): Promise<void> => {
    while (performance.now() < end) waits.push(await timed(() => opened.commit([event()])));
  };
  const took = await timed(() => Promise.all(Array.from({ length: lanes }, lane)));
  const name = `${lanes} at once`;
  return [
    { name: `${name}, appends per second`, value: (waits.length / took) * 1000, unit: '' },
    { name: `${name}, p50`, value: percentile(waits, 50), unit: 'ms' },
    { name: `${name}, p99`, value: percentile(waits, 99), unit: 'ms' },
  ];
}

function event(): Write {
  const idempotencyKey = randomBytes(32);
  const data = {
    action: 'pull',
    message: 'x'.repeat(150),
    evidence: idempotencyKey.toString('hex'),
  };
  const about = { repository: null, tag: '1.0', digest: null, actor: 'bench' };
  return { kind: 'event', event: { log: 'dec', type: 'deny', ...about, data, idempotencyKey } };
}

function percentile(samples: readonly number[], percent: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? 0;
}
