import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { clientPath } from '../clients.ts';
import type { ClientName } from '../clients.ts';
import type { ClientSession, GateClient } from '../gate-client.ts';
import { run } from '../run.ts';
import { acceptAnything, readDigest } from './containers-image.ts';
import { layoutPushes, layouts } from './layout.ts';

/** skopeo of one generation, copying between OCI layouts and the registry. */
export function skopeoClient(cli: ClientName): GateClient {
  return {
    name: cli,
    needs: [cli],
    programs: [cli],
    start: (scope) => {
      const folder = join(scope.folder(), cli);
      mkdirSync(folder, { recursive: true });
      const made = layouts(folder);
      const env = { REGISTRY_AUTH_FILE: join(folder, 'auth.json') };
      const base = ['--policy', acceptAnything(folder)];
      const copy = async (args: readonly string[]) => {
        const file = join(folder, 'digest');
        rmSync(file, { force: true });
        const ran = await run(
          clientPath(cli),
          [...base, 'copy', '--all', '--digestfile', file, ...args],
          { env },
        );
        return { ...ran, digest: ran.code === 0 ? readDigest(file) : null };
      };
      const copyIn = (layout: string, reference: string) =>
        copy(['--dest-tls-verify=false', `oci:${layout}:image`, `docker://${reference}`]);
      const session: ClientSession = {
        ...layoutPushes(made, copyIn),
        pull: (reference) => {
          // `dir:` keeps every byte; an OCI layout would get compressed layers and another digest.
          const pulled = join(folder, 'in');
          rmSync(pulled, { recursive: true, force: true });
          return copy(['--src-tls-verify=false', `docker://${reference}`, `dir:${pulled}`]);
        },
        login: (host, user, password) =>
          run(clientPath(cli), ['login', '--tls-verify=false', '-u', user, '-p', password, host], {
            env,
          }),
      };
      return Promise.resolve(session);
    },
  };
}
