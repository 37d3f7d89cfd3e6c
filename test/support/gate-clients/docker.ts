import { join } from 'node:path';
import { isDigest } from '../../../src/oci/digest.ts';
import type { ClientName } from '../clients.ts';
import { startDockerd } from '../dockerd.ts';
import type { GateClient } from '../gate-client.ts';

/** The docker CLI (`docker`, `docker-20`) with an engine of its own. */
export function dockerClient(cli: ClientName): GateClient {
  return {
    name: cli,
    needs: [cli, 'docker', 'dockerd', 'busybox'],
    start: async (scope) => {
      const engine = scope.own(await startDockerd(join(scope.folder(), cli)));
      const docker = (args: readonly string[]) => engine.docker(args, { client: cli });
      return {
        push: async (reference, content) => {
          await engine.makeImage(reference, content);
          const ran = await docker(['push', reference]);
          const digest = /digest: (sha256:[0-9a-f]{64})/.exec(ran.stdout)?.[1] ?? '';
          return { ...ran, digest: isDigest(digest) ? digest : null };
        },
        pull: async (reference) => {
          // Everything goes: docker answers from what it has without asking for it again.
          const old = (await docker(['images', '-aq'])).stdout.split('\n').filter(Boolean);
          if (old.length > 0) await docker(['rmi', '-f', ...new Set(old)]);
          const ran = await docker(['pull', reference]);
          const digest = /^Digest: (\S+)$/m.exec(ran.stdout)?.[1] ?? '';
          return { ...ran, digest: isDigest(digest) ? digest : null };
        },
        login: (host, user, password) => docker(['login', '-u', user, '-p', password, host]),
      };
    },
  };
}
