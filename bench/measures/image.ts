import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { clientPath } from '../../test/support/clients.ts';
import { acceptAnything } from '../../test/support/gate-clients/containers-image.ts';
import { buildImage, pushImage, writeOciLayout } from '../../test/support/image.ts';
import { mustRun } from '../../test/support/run.ts';
import { compareRates } from '../support/blob.ts';
import { withGate } from '../support/gate.ts';
import type { Measure } from '../support/measure.ts';
import { timed } from '../support/measure.ts';

const MB = 200;
const ROUNDS = 9;

/** What a person waits for who pulls or pushes an image with a large layer: clients that hash and keep what they get. */
export const image: Measure = {
  name: 'image',
  about:
    `A signed image with one layer of ${MB} MB over loopback, ${ROUNDS} alternating runs of the whole command ` +
    `each, through the gate and with docker-registry directly: \`skopeo copy docker:… dir:…\`, ` +
    `\`crane pull --format=oci\`, and \`crane push\` into a repository that is new.`,
  needs: ['docker-registry', 'skopeo', 'crane'],
  run: (folder) =>
    withGate(
      folder,
      async (gate, registry) => {
        const made = buildImage({ layers: [randomBytes(MB * 1_000_000)] });
        await pushImage(registry.url, 'bench/app', made, '1');
        await gate.sign('bench/app:1');
        const layout = join(folder, 'layout');
        mkdirSync(layout);
        writeOciLayout(layout, made, '1');
        const env = { DOCKER_CONFIG: folder, HOME: folder };
        const seconds = (program: string, args: readonly string[]) =>
          timed(() => mustRun(program, args, { env })).then((ms) => ms / 1000);

        const pulled = join(folder, 'pulled');
        const skopeo = (host: string) => () => {
          rmSync(pulled, { recursive: true, force: true });
          const from = ['--src-tls-verify=false', `docker://${host}/bench/app:1`];
          const copy = ['--policy', acceptAnything(folder), 'copy', ...from, `dir:${pulled}`];
          return seconds(clientPath('skopeo'), copy);
        };
        const crane = (host: string) => () => {
          rmSync(pulled, { recursive: true, force: true });
          return seconds(clientPath('crane'), [
            'pull',
            '--format=oci',
            `${host}/bench/app:1`,
            pulled,
          ]);
        };
        let repositories = 0;
        const push = (host: string) => () =>
          seconds(clientPath('crane'), ['push', layout, `${host}/bench/new-${repositories++}:1`]);

        const both = [gate.service.host, registry.host] as const;
        const every = { rounds: ROUNDS, megabytes: MB, atLeast: 0.95 };
        return [
          ...(await compareRates({ ...every, name: 'skopeo copy' }, [
            skopeo(both[0]),
            skopeo(both[1]),
          ])),
          ...(await compareRates({ ...every, name: 'crane pull' }, [
            crane(both[0]),
            crane(both[1]),
          ])),
          ...(await compareRates({ ...every, name: 'crane push' }, [push(both[0]), push(both[1])])),
        ];
      },
      'allow',
    ),
};
