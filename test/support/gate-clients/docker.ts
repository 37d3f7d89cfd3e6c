import { join } from 'node:path';
import type { ClientName } from '../clients.ts';
import type { ImageStore } from '../dockerd.ts';
import { startDockerd } from '../dockerd.ts';
import type { ClientSession, GateClient } from '../gate-client.ts';
import { moved } from '../gate-client.ts';
import { layouts } from './layout.ts';
import { mustRun } from '../run.ts';

/** The docker CLI (`docker`, `docker-20`) with an engine of its own that keeps images as 20.10 does. */
export function dockerClient(cli: 'docker' | 'docker-20'): GateClient {
  return client(cli, ['docker', 'dockerd'], 'graph');
}

/** The newest docker CLI and engine, which keeps images in containerd: byte for byte, indexes too. */
export const newDockerClient: GateClient = client(
  'docker-new',
  ['dockerd-new', 'containerd-new'],
  'containerd',
);

function client(cli: ClientName, engines: readonly ClientName[], store: ImageStore): GateClient {
  return {
    name: cli,
    needs: [cli, ...engines, 'busybox'],
    programs: [cli, ...engines.filter((name) => name.startsWith('dockerd'))],
    // As containerd, it asks for a tag before it pushes it.
    identified: store === 'containerd',
    start: async (scope) => {
      const folder = join(scope.folder(), cli);
      const engine = scope.own(await startDockerd(folder, { store }));
      const made = layouts(folder);
      const docker = (args: readonly string[]) => engine.docker(args, { client: cli });
      const push = async (reference: string) =>
        moved(await docker(['push', reference]), /digest: (sha256:[0-9a-f]{64})/);
      const session: ClientSession = {
        push: async (reference, content) => {
          await engine.makeImage(reference, content);
          return push(reference);
        },
        pushAgain: async (from, to) => {
          await docker(['tag', from, to]);
          return push(to);
        },
        pull: async (reference) => {
          // Everything goes: docker answers from what it has without asking for it again.
          const old = (await docker(['images', '-aq'])).stdout.split('\n').filter(Boolean);
          if (old.length > 0) await docker(['rmi', '-f', ...new Set(old)]);
          return moved(await docker(['pull', reference]), /^Digest: (\S+)$/m);
        },
        login: (host, user, password) => docker(['login', '-u', user, '-p', password, host]),
      };
      if (store === 'graph') return session;
      return {
        ...session,
        pushIndex: async (reference, index) => {
          const archive = join(folder, 'index.tar');
          await mustRun('tar', [
            '-C',
            made.write(reference, index, reference),
            '-cf',
            archive,
            '.',
          ]);
          const loaded = await docker(['load', '-i', archive]);
          if (loaded.code !== 0) throw new Error(loaded.output);
          return push(reference);
        },
      };
    },
  };
}
