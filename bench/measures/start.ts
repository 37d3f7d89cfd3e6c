import { join } from 'node:path';
import { mustRun } from '../../test/support/run.ts';
import type { Measure } from '../support/measure.ts';
import { median, timed } from '../support/measure.ts';

const ENTRY = join(import.meta.dirname, '..', '..', 'bin', 'countersign.js');

/** How long a person waits for the smallest command. */
export const start: Measure = {
  name: 'start',
  about: '`countersign --version`, from process start to exit, run from source by type stripping.',
  needs: [],
  run: async () => {
    const version = () => timed(() => mustRun(process.execPath, [ENTRY, '--version']));
    await version();
    const samples: number[] = [];
    for (let n = 0; n < 20; n++) samples.push(await version());
    return [
      {
        name: 'wall time',
        value: median(samples),
        unit: 'ms',
        bound: { at: 'most', value: 100 },
        samples,
      },
    ];
  },
};
