import { join } from 'node:path';
import { startChild } from '../../test/support/child.ts';
import { startDockerRegistry } from '../../test/support/docker-registry.ts';
import { mustRun } from '../../test/support/run.ts';
import { openGate } from '../support/gate.ts';
import type { Measure } from '../support/measure.ts';
import { mostResidentMiB, processWith, residentMiB } from '../support/process.ts';
import { upload, writeBlob } from './blob.ts';

const STREAMS = 8;
const MB = 1000;
const MINUTES = 600_000;

/** What eight large layers at once cost the service, whoever reads slowly. */
export const memory: Measure = {
  name: 'memory',
  about:
    `Resident memory of the gate's process with ${STREAMS} pulls of ${MB} MB at once, one more by a ` +
    `client that reads 1 MB/s, and two uploads of ${MB} MB.`,
  needs: ['docker-registry'],
  run: async (folder) => {
    const registry = await startDockerRegistry(join(folder, 'registry'));
    const gate = await openGate(join(folder, 'site'), registry.url);
    try {
      const pid = processWith(`--listen\0${gate.service.host}`);
      const file = join(folder, 'blob');
      const digest = writeBlob(file, MB);
      await upload(registry.url, file, digest);
      const idle = residentMiB(pid);
      const url = `${gate.service.url}/v2/bench/app/blobs/${digest}`;
      const args = ['-sS', '--fail', '-o', '/dev/null', url];
      const pull = () => mustRun('curl', args, { timeout: MINUTES });
      const slow = startChild('curl', ['--limit-rate', '1M', ...args]);
      try {
        await Promise.all([
          ...Array.from({ length: STREAMS }, () => pull()),
          upload(gate.service.url, file),
          upload(gate.service.url, file),
        ]);
        if (!slow.running()) throw new Error(`expected a slow reader: ${slow.stderr()}`);
      } finally {
        await slow.kill();
      }
      return [
        { name: 'idle', value: idle, unit: 'MiB' },
        {
          name: 'at most',
          value: mostResidentMiB(pid),
          unit: 'MiB',
          bound: { at: 'most', value: 150 },
        },
      ];
    } finally {
      await gate.service.stop();
      await registry.stop();
    }
  },
};
