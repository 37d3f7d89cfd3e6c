import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { clientPath } from '../clients.ts';
import type { ClientSession, GateClient } from '../gate-client.ts';
import { moved } from '../gate-client.ts';
import { run } from '../run.ts';
import { layoutPushes, layouts } from './layout.ts';

const DIGEST = /^Digest: (\S+)$/m;

/** oras, copying between OCI layouts and the registry. */
export const orasClient: GateClient = {
  name: 'oras',
  needs: ['oras'],
  programs: ['oras'],
  identified: true,
  start: (scope) => {
    const folder = join(scope.folder(), 'oras');
    mkdirSync(folder, { recursive: true });
    const made = layouts(folder);
    const env = { DOCKER_CONFIG: folder, HOME: folder };
    const oras = (args: readonly string[]) => run(clientPath('oras'), args, { env });
    const push = async (layout: string, reference: string) => {
      const from = ['cp', '--no-tty', '--from-oci-layout', `${layout}:image`];
      return moved(await oras([...from, '--to-plain-http', reference]), DIGEST);
    };
    const session: ClientSession = {
      ...layoutPushes(made, push),
      pull: async (reference) => {
        const pulled = join(folder, 'in');
        rmSync(pulled, { recursive: true, force: true });
        const to = ['--to-oci-layout', `${pulled}:image`];
        return moved(await oras(['cp', '--no-tty', '--from-plain-http', reference, ...to]), DIGEST);
      },
      login: (host, user, password) =>
        oras(['login', '--plain-http', '-u', user, '-p', password, host]),
    };
    return Promise.resolve(session);
  },
};
