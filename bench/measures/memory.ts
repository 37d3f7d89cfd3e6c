import { join } from 'node:path';
import { startChild } from '../../test/support/child.ts';
import { mustRun } from '../../test/support/run.ts';
import { upload, writeBlob } from '../support/blob.ts';
import { withGate } from '../support/gate.ts';
import type { Measure } from '../support/measure.ts';
import { forgetMost, mostResidentMiB, processWith, residentMiB } from '../support/process.ts';

const STREAMS = 8;
const MB = 1000;
const MINUTES = 600_000;

/** What eight large layers at once cost the service, whoever reads slowly. */
export const memory: Measure = {
  name: 'memory',
  about:
    `The most resident memory that the gate's process has with ${STREAMS} pulls of ${MB} MB at once and one ` +
    `more by a client that reads 1 MB/s; and, started again, with ${STREAMS} uploads of ${MB} MB at once.`,
  needs: ['docker-registry'],
  run: (folder) =>
    withGate(folder, async (gate, registry) => {
      // A second start finds the source compiled by the first, as a published package brings it.
      await gate.service.stop();
      await gate.service.start();
      const pid = processWith(`--listen\0${gate.service.host}`);
      const file = join(folder, 'blob');
      const digest = writeBlob(file, MB);
      await upload(registry.url, file, digest);
      const idle = residentMiB(pid);
      forgetMost(pid);
      const args = ['-sS', '--fail', '-o', '/dev/null'];
      const url = `${gate.service.url}/v2/bench/app/blobs/${digest}`;
      const slow = startChild('curl', ['--limit-rate', '1M', ...args, url]);
      const pull = () => mustRun('curl', [...args, url], { timeout: MINUTES });
      try {
        await Promise.all(Array.from({ length: STREAMS }, () => pull()));
        if (!slow.running()) throw new Error(`expected a slow reader: ${slow.stderr()}`);
      } finally {
        await slow.kill();
      }
      const pulling = mostResidentMiB(pid);
      // A new process: what the pulls have taken is not the uploads'.
      await gate.service.stop();
      await gate.service.start();
      const again = processWith(`--listen\0${gate.service.host}`);
      await Promise.all(Array.from({ length: STREAMS }, () => upload(gate.service.url, file)));
      return [
        { name: 'idle', value: idle, unit: 'MiB' },
        { name: 'pulls', value: pulling, unit: 'MiB', bound: { at: 'most', value: 150 } },
        { name: 'uploads', value: mostResidentMiB(again), unit: 'MiB' },
      ];
    }),
};
