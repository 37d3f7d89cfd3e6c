import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { describeWithClients } from '../support/describe-with-clients.ts';
import type { DockerRegistry } from '../support/docker-registry.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import type { ClientSession } from '../support/gate-client.ts';
import { buildahClient } from '../support/gate-clients/buildah.ts';
import { craneClient } from '../support/gate-clients/crane.ts';
import { ctrClient } from '../support/gate-clients/ctr.ts';
import { dockerClient, newDockerClient } from '../support/gate-clients/docker.ts';
import { orasClient } from '../support/gate-clients/oras.ts';
import { podmanClient } from '../support/gate-clients/podman.ts';
import { skopeoClient } from '../support/gate-clients/skopeo.ts';
import { suiteScope } from '../support/scope.ts';

// With no gate in between: when the suites beside this one fail, this one tells whether it is the machine.
const clients = [
  dockerClient('docker'),
  dockerClient('docker-20'),
  podmanClient,
  skopeoClient('skopeo'),
  skopeoClient('skopeo-1.18'),
  buildahClient,
  craneClient,
  orasClient,
  ctrClient('ctr'),
  ctrClient('ctr-new'),
  newDockerClient,
];

for (const client of clients) {
  describeWithClients(
    `${client.name} with docker-registry alone`,
    [...client.needs, 'docker-registry', 'htpasswd'],
    () => {
      const scope = suiteScope();
      let registry: DockerRegistry;
      let session: ClientSession;

      beforeAll(async () => {
        const users = { alice: 'correct horse' };
        registry = scope.own(
          await startDockerRegistry(join(scope.folder(), 'registry'), { users }),
        );
        session = await client.start(scope);
      });

      it('is refused before it logs in', async () => {
        const pushed = await session.push(`${registry.host}/team/app:1`, 'one\n');
        expect(pushed.code).not.toBe(0);
      });

      it('pushes and pulls the same digest after it logged in', async () => {
        const login = await session.login(registry.host, 'alice', 'correct horse');
        expect(login).toMatchObject({ code: 0 });
        const pushed = await session.push(`${registry.host}/team/app:1`, 'one\n');
        expect(pushed).toMatchObject({ code: 0, digest: expect.stringMatching(/^sha256:/) });
        const byTag = await session.pull(`${registry.host}/team/app:1`);
        expect(byTag).toMatchObject({ code: 0, digest: pushed.digest });
        const byDigest = await session.pull(`${registry.host}/team/app@${pushed.digest}`);
        expect(byDigest).toMatchObject({ code: 0, digest: pushed.digest });
      });

      it('fails to pull what is not there', async () => {
        const pulled = await session.pull(`${registry.host}/team/app:none`);
        expect(pulled.code).not.toBe(0);
      });
    },
  );
}
