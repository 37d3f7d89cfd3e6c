import { join } from 'node:path';
import { mkdirSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { makeAuthority } from '../support/certificates.ts';
import { freePort } from '../support/child.ts';
import type { ClientName } from '../support/clients.ts';
import type { Site } from '../support/countersign.ts';
import { createSite, startService } from '../support/countersign.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import type { DockerHome } from '../support/docker-home.ts';
import { dockerHome } from '../support/docker-home.ts';
import type { Dockerd } from '../support/dockerd.ts';
import { startDockerd } from '../support/dockerd.ts';
import { notaryHome } from '../support/notary-home.ts';
import { suiteScope } from '../support/scope.ts';

const CLIENTS: readonly ClientName[] = ['docker-20', 'docker-28'];

// What a person with content trust needs: the tags are what the repository's own keys sign.
const POLICY = `version: 1
policies:
  - name: content-trust
    images: ["**"]
    push: hold
    tags: signed
    require:
      - signatures: { by: ["@repository"], formats: [dct] }
`;

describeWithClients(
  'docker and notary at the registry’s own host, which is the gate',
  [...CLIENTS, 'dockerd', 'notary'],
  () => {
    const scope = suiteScope();
    let site: Site;
    let registry: string;
    let engine: Dockerd;
    let ca: string;
    beforeAll(async () => {
      const folder = join(scope.folder(), 'gate');
      mkdirSync(folder, { recursive: true });
      const authority = makeAuthority();
      for (const [name, text] of Object.entries({ ...authority.server, ca: authority.ca })) {
        writeFileSync(join(folder, `${name}.pem`), text, { mode: 0o600 });
      }
      ca = join(folder, 'ca.pem');
      site = createSite(join(folder, 'site'));
      site.policy(POLICY);
      const port = await freePort();
      // The name that a gate without configuration has; 127.0.0.1 is an alias of it, and no GUN.
      registry = `localhost:${port}`;
      const host = `127.0.0.1:${port}`;
      const service = await startService(site, {
        host,
        tls: true,
        config: () =>
          `tls: { cert: "${join(folder, 'cert.pem')}", key: "${join(folder, 'key.pem')}" }\n`,
      });
      scope.own({ stop: async () => void (await service.stop()) });
      engine = scope.own(await startDockerd(join(scope.folder(), 'engine')));
      for (const name of ['one', 'two']) await engine.makeImage(`image:${name}`, name);
    });

    describe.each(CLIENTS)('%s', (client) => {
      const at = (name: string): string => `${registry}/${client}/${name}`;
      const person = (name: string): DockerHome =>
        dockerHome(join(scope.folder(), 'homes', client, name), { engine: engine.address, client });

      it('signs what it pushes; everybody else pulls just that, with content trust and without', async () => {
        const alice = person('alice');
        const name = `${at('app')}:1`;
        await alice.plain('tag', 'image:one', name);
        const pushed = await alice.must('push', name);
        expect(pushed.output).toContain(`Successfully signed ${name}`);
        const digest = /digest: (sha256:[0-9a-f]{64})/.exec(pushed.stdout)?.[1] ?? 'none';
        await alice.plain('rmi', name);
        const bob = person('bob');
        expect((await bob.must('pull', name)).stdout).toContain(`${name}@${digest}`);
        await bob.plain('rmi', name);
        expect((await bob.plain('pull', name)).stdout).toContain(digest);
        // Somebody who has forgotten content trust overwrites the tag: everybody still has what was signed.
        const carol = person('carol');
        await carol.plain('tag', 'image:two', name);
        await carol.plain('push', name);
        await carol.plain('rmi', name);
        expect((await carol.plain('pull', name)).stdout).toContain(digest);
        await carol.plain('rmi', name);
      });

      it('a push without content trust waits, and is pulled by nobody', async () => {
        const carol = person('carol');
        const name = `${at('unsigned')}:1`;
        await carol.plain('tag', 'image:two', name);
        await carol.plain('push', name);
        await carol.plain('rmi', name);
        for (const trust of ['0', '1']) {
          const { code } = await carol.run(['pull', name], {
            env: { DOCKER_CONTENT_TRUST: trust },
          });
          expect(code).toBe(1);
        }
      });
    });

    it('notary begins a repository, adds to it, publishes and lists', async () => {
      const folder = join(scope.folder(), 'notary');
      const home = notaryHome(folder, { url: `https://${registry}`, ca });
      const gun = `${registry}/notary/app`;
      const file = join(folder, 'content');
      writeFileSync(file, 'content\n');
      await home.must('init', gun);
      await home.must('add', gun, 'v1', file);
      await home.must('publish', gun);
      expect((await home.must('list', gun)).stdout).toMatch(/^\s*v1 /m);
      await home.must('key', 'rotate', gun, 'timestamp', '-r');
      expect((await home.must('list', gun)).stdout).toMatch(/^\s*v1 /m);
      await home.must('delete', gun, '--remote');
      expect((await home.notary('list', gun)).code).toBe(1);
    });
  },
);
