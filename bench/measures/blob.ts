import { join } from 'node:path';
import { compareRates, curl, upload, writeBlob } from '../support/blob.ts';
import { withGate } from '../support/gate.ts';
import type { Measure } from '../support/measure.ts';
import { processorMs, processWith } from '../support/process.ts';

const MB = 200;
const ROUNDS = 9;
/** What a link of 1 Gbit/s carries, in bytes per second. */
const GIGABIT = 118_000_000;

const SECONDS = ['-w', '%{time_total}'];

/** A layer's way through the gate, beside the registry asked directly. */
export const blob: Measure = {
  name: 'blob',
  about:
    `A blob of ${MB} MB pulled and pushed by curl over loopback, in ${ROUNDS} alternating runs each: through ` +
    `the gate, and docker-registry directly; as fast as it goes, and at the rate of a link of 1 Gbit/s.`,
  needs: ['docker-registry'],
  run: (folder) =>
    withGate(folder, async (gate, registry) => {
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
      const every = { rounds: ROUNDS, megabytes: MB };
      const before = processorMs(pid);
      return [
        ...(await compareRates({ ...every, name: 'pull' }, [
          pull(gate.service.url),
          pull(registry.url),
        ])),
        {
          name: 'pull, processor time of the gate',
          value: (processorMs(pid) - before) / (ROUNDS + 1),
          unit: 'ms',
        },
        ...(await compareRates({ ...every, name: 'pull at 1 Gbit/s', atLeast: 0.95 }, [
          pull(gate.service.url, ...slow),
          pull(registry.url, ...slow),
        ])),
        ...(await compareRates({ ...every, name: 'push', atLeast: 0.95 }, [
          push(gate.service.url),
          push(registry.url),
        ])),
      ];
    }),
};
