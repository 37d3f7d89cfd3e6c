import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import type { Service, Site } from '../support/countersign.ts';
import { createSite, startService } from '../support/countersign.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import { startDockerRegistry, writeHtpasswd } from '../support/docker-registry.ts';
import type { ClientSession } from '../support/gate-client.ts';
import { dockerClient } from '../support/gate-clients/docker.ts';
import { podmanClient } from '../support/gate-clients/podman.ts';
import { skopeoClient } from '../support/gate-clients/skopeo.ts';
import { oneSigner } from '../support/one-signer.ts';
import { suiteScope } from '../support/scope.ts';

const USERS = { ci: 'ci password', reader: 'reader password', stranger: 'stranger password' };

const POLICY = oneSigner({ push: 'hold' });

for (const client of [dockerClient('docker'), podmanClient, skopeoClient('skopeo')]) {
  describeWithClients(
    `${client.name} with an identity of the gate`,
    [...client.needs, 'docker-registry', 'htpasswd'],
    () => {
      const scope = suiteScope();
      let site: Site;
      let gate: Service;
      let session: ClientSession;
      const at = (name: string): string => `${gate.host}/${name}`;
      const become = (user: keyof typeof USERS) => session.login(gate.host, user, USERS[user]);

      beforeAll(async () => {
        const registry = scope.own(await startDockerRegistry(join(scope.folder(), 'registry')));
        site = createSite(join(scope.folder(), 'site'));
        await site.key('release-bot');
        site.policy(POLICY);
        const htpasswd = await writeHtpasswd(site.folder, USERS);
        const config = (host: string): string => `registries:
  - host: ${host}
    upstream: ${registry.url}
identities:
  htpasswd: ${htpasswd}
access:
  - { repositories: ["${host}/team/**"], pull: [ci, reader], push: [ci], admin: [ci] }
`;
        gate = scope.own(await startService(site, { config }));
        session = await client.start(scope);
      });

      it('is refused without one, and with a wrong password', async () => {
        const nobody = await session.push(at('team/app:0'), 'nobody\n');
        expect(nobody.code).not.toBe(0);
        expect(nobody.output).toMatch(/unauthorized|authentication required|no basic auth/i);
        // The first answer to docker's pull is a challenge that it has no login for; the others send an
        // empty one.
        if (!client.name.startsWith('docker')) {
          const pulled = await session.pull(at('team/app:0'));
          expect(pulled.output).toMatch(/pull of \S+team\/app needs an identity: log in first/);
        }
        expect((await session.login(gate.host, 'ci', 'not the password')).code).not.toBe(0);
      });

      it('pushes, signs and pulls with the rights to', async () => {
        expect(await become('ci')).toMatchObject({ code: 0 });
        const pushed = await session.push(at('team/app:1'), 'by ci\n');
        expect(pushed).toMatchObject({ code: 0, digest: expect.stringMatching(/^sha256:/) });
        // Signers read before they sign: by digest, what they pushed.
        const held = await session.pull(at(`team/app@${pushed.digest}`));
        expect(held).toMatchObject({ code: 0, digest: pushed.digest });
        expect((await session.pull(at('team/app:1'))).code).not.toBe(0);

        site.login(gate.host, 'ci', USERS.ci);
        const signed = await site.cli([
          'sign',
          at(`team/app@${pushed.digest}`),
          '--key',
          'release-bot',
        ]);
        expect(signed).toMatchObject({ code: 0 });
        const pulled = await session.pull(at('team/app:1'));
        expect(pulled).toMatchObject({ code: 0, digest: pushed.digest });
      });

      it('pulls but does not push with the right to pull alone, nor reads what is held', async () => {
        expect(await become('ci')).toMatchObject({ code: 0 });
        const held = await session.push(at('team/app:2'), 'held\n');
        expect(held.code).toBe(0);

        expect(await become('reader')).toMatchObject({ code: 0 });
        expect(await session.pull(at('team/app:1'))).toMatchObject({ code: 0 });
        expect((await session.pull(at(`team/app@${held.digest}`))).code).not.toBe(0);
        expect((await session.push(at('team/app:3'), 'by reader\n')).code).not.toBe(0);
      });

      it('gets nothing where no rule names it', async () => {
        expect(await become('stranger')).toMatchObject({ code: 0 });
        expect((await session.pull(at('team/app:1'))).code).not.toBe(0);
        expect((await session.push(at('team/app:4'), 'by a stranger\n')).code).not.toBe(0);
      });
    },
  );
}
