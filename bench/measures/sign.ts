import { join } from 'node:path';
import { clientPath } from '../../test/support/clients.ts';
import { createSite } from '../../test/support/countersign.ts';
import { startDockerRegistry } from '../../test/support/docker-registry.ts';
import { buildImage, pushImage } from '../../test/support/image.ts';
import { mustRun } from '../../test/support/run.ts';
import { tarLayer } from '../../test/support/tar.ts';
import type { Measure } from '../support/measure.ts';
import { alternate, median, timed } from '../support/measure.ts';

const ROUNDS = 11;

/** Signing one image with a key file, beside cosign doing the same in the same registry. */
export const sign: Measure = {
  name: 'sign',
  about:
    `\`countersign sign\` and \`cosign sign --key\` (cosign 2, no transparency log), each with an ` +
    `encrypted key file, on an image that nobody signed before, in docker-registry; ${ROUNDS} alternating runs.`,
  needs: ['docker-registry', 'cosign-2'],
  run: async (folder) => {
    const site = createSite(join(folder, 'site'));
    await site.key('bench', 'ecdsa-p256');
    const env = { COSIGN_PASSWORD: 'a test passphrase', HOME: folder };
    await mustRun(clientPath('cosign-2'), ['generate-key-pair'], { cwd: folder, env });
    const registry = await startDockerRegistry(join(folder, 'registry'));
    try {
      const fresh = async (side: string, round: number): Promise<string> => {
        const image = buildImage({ layers: [tarLayer({ side, round: String(round) })] });
        const digest = await pushImage(registry.url, 'bench/app', image);
        return `${registry.host}/bench/app@${digest}`;
      };
      const ours = async (round: number): Promise<number> => {
        const image = await fresh('countersign', round);
        return timed(async () => {
          const ran = await site.cli(['sign', image, '--key', 'bench', '--format', 'cosign']);
          if (ran.code !== 0) throw new Error(`countersign sign: ${ran.output}`);
        });
      };
      const theirs = async (round: number): Promise<number> => {
        const image = await fresh('cosign', round);
        const args = ['sign', '--yes', '--tlog-upload=false', '--allow-http-registry'];
        return timed(() =>
          mustRun(clientPath('cosign-2'), [...args, '--key', join(folder, 'cosign.key'), image], {
            env,
          }),
        );
      };
      // The first round warms the compile cache and the disk's, for both.
      await alternate(1, [() => ours(-1), () => theirs(-1)]);
      const [mine = [], cosign = []] = await alternate(ROUNDS, [ours, theirs]);
      return [
        { name: 'countersign sign', value: median(mine), unit: 'ms', samples: mine },
        { name: 'cosign sign', value: median(cosign), unit: 'ms', samples: cosign },
        {
          name: 'ratio of the wall times',
          value: median(mine) / median(cosign),
          unit: '×',
          bound: { at: 'most', value: 1.5 },
        },
      ];
    } finally {
      await registry.stop();
    }
  },
};
