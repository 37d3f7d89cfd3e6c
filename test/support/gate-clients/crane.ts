import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { clientPath } from '../clients.ts';
import type { ClientSession, GateClient } from '../gate-client.ts';
import { moved } from '../gate-client.ts';
import { run } from '../run.ts';
import { layoutPushes, layouts } from './layout.ts';

/** crane, pushing and pulling OCI layouts. */
export const craneClient: GateClient = {
  name: 'crane',
  needs: ['crane'],
  programs: ['crane'],
  start: (scope) => {
    const folder = join(scope.folder(), 'crane');
    mkdirSync(folder, { recursive: true });
    const made = layouts(folder);
    const env = { DOCKER_CONFIG: folder, HOME: folder };
    const crane = (args: readonly string[]) => run(clientPath('crane'), args, { env });
    const push = async (layout: string, reference: string, more: readonly string[] = []) =>
      moved(await crane(['push', ...more, layout, reference]), /@(sha256:[0-9a-f]{64})\s*$/);
    const session: ClientSession = {
      ...layoutPushes(made, push),
      pull: async (reference) => {
        const pulled = join(folder, 'in');
        rmSync(pulled, { recursive: true, force: true });
        const ran = await crane(['pull', '--format=oci', reference, pulled]);
        if (ran.code !== 0) return { ...ran, digest: null };
        const index = readFileSync(join(pulled, 'index.json'), 'utf8');
        return moved({ ...ran, stdout: index }, /"digest": ?"([^"]+)"/);
      },
      login: (host, user, password) => crane(['auth', 'login', host, '-u', user, '-p', password]),
    };
    return Promise.resolve(session);
  },
};
