import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../support/child.ts';
import type { ClientName } from '../support/clients.ts';
import type { Service, Site } from '../support/countersign.ts';
import { createSite, startService } from '../support/countersign.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import type { DockerHome } from '../support/docker-home.ts';
import { dockerHome, logIn } from '../support/docker-home.ts';
import { writeHtpasswd } from '../support/docker-registry.ts';
import type { ClientSession, GateClient } from '../support/gate-client.ts';
import { ctrClient } from '../support/gate-clients/ctr.ts';
import { newDockerClient } from '../support/gate-clients/docker.ts';
import { podmanClient } from '../support/gate-clients/podman.ts';
import { failing, said } from '../support/gate-stage.ts';
import { PASSWORD, PUSHER, READER } from '../support/guarded.ts';
import { buildImage, pushImage } from '../support/image.ts';
import { suiteScope } from '../support/scope.ts';
import { tarLayer } from '../support/tar.ts';
import type { TrustGround } from '../support/trust-stage.ts';
import { startTrustGround } from '../support/trust-stage.ts';

/** Those that sign, as they have always done. */
const SIGNERS: readonly ClientName[] = ['docker-20', 'docker-28'];
/** Those that know nothing of content trust: an engine and CLI of today with it off, podman, containerd. */
const READERS: readonly GateClient[] = [newDockerClient, podmanClient, ctrClient('ctr')];

const POLICIES = `version: 1
authorities:
  - name: release-bot
    keys: [keys/release-bot.pub]
policies:
  - name: team
    images: ["\${registry}/team/**"]
    mode: enforce
    push: hold
    tags: signed
    require:
      - signatures: { by: ["@repository"], formats: [dct] }
  - name: named
    images: ["\${registry}/named/**"]
    mode: enforce
    push: hold
    tags: signed
    require:
      - signatures: { by: [release-bot], formats: [dct] }
`;

const needs = [...SIGNERS, 'dockerd', 'docker-registry', ...READERS.flatMap((one) => one.needs)];

describeWithClients(
  'what docker signed, the gate enforces for everybody',
  [...new Set(needs)] as ClientName[],
  () => {
    const scope = suiteScope();
    let ground: TrustGround;
    let site: Site;
    let gate: Service;
    let admin: DockerHome;
    const readers = new Map<GateClient, ClientSession>();

    const at = (name: string): string => `${gate.host}/${name}`;
    const aliasOf = (host: string): string => `localhost:${host.split(':')[1]}`;
    /** A person with the right to push; who signs where is docker's own affair. */
    const person = (name: string, client: ClientName): DockerHome => {
      const folder = join(scope.folder(), 'people', name);
      const home = dockerHome(folder, { engine: ground.engine.address, client });
      logIn(home, gate.host, PUSHER, PASSWORD);
      return home;
    };
    /** Gives one of the suite's images a name. */
    const tagged = async (name: string, image: string): Promise<string> => {
      await admin.plain('tag', `image:${image}`, at(name));
      return at(name);
    };
    const digestIn = (output: string): string =>
      /digest: (sha256:[0-9a-f]{64})/.exec(output)?.[1] ?? 'none';
    /** What somebody gets who knows nothing of content trust. */
    const pull = async (client: GateClient, name: string): Promise<string> => {
      const session = readers.get(client);
      if (session === undefined) throw new Error(`${client.name} was not started`);
      return said(await session.pull(at(name)));
    };

    beforeAll(async () => {
      ground = await startTrustGround(scope);
      for (const name of ['one', 'two', 'three'])
        await ground.engine.makeImage(`image:${name}`, name);
      site = createSite(join(scope.folder(), 'site'));
      const host = `127.0.0.1:${await freePort()}`;
      mkdirSync(join(scope.folder(), 'people'), { recursive: true });
      const bot = dockerHome(join(scope.folder(), 'people', 'bot'), {
        engine: ground.engine.address,
        client: 'docker-28',
      });
      await bot.must('trust', 'key', 'generate', 'release-bot');
      // Docker's own file is what the policy names.
      const key = readFileSync(join(bot.folder, 'release-bot.pub'));
      writeFileSync(join(site.policies, 'keys', 'release-bot.pub'), key);
      site.policy(POLICIES);
      const users = await writeHtpasswd(site.folder, { [PUSHER]: PASSWORD, [READER]: PASSWORD });
      const rights = `pull: [${PUSHER}, ${READER}], push: [${PUSHER}], delete: [${PUSHER}], admin: [${PUSHER}]`;
      gate = scope.own(
        await startService(site, {
          host,
          tls: true,
          config: () =>
            [
              `registries: [{ host: "${host}", aliases: ["${aliasOf(host)}"], upstream: "${ground.registry.url}" }]`,
              `identities: { htpasswd: "${users}" }`,
              `access: [{ repositories: ["${host}/**"], ${rights} }]`,
              '',
            ].join('\n'),
        }),
      );
      logIn(bot, host, PUSHER, PASSWORD);
      admin = person('admin', 'docker-28');
      for (const client of READERS) {
        const session = await client.start(scope);
        readers.set(client, session);
        await session.login(host, READER, PASSWORD);
      }
    });

    describe.each(SIGNERS)('%s', (client) => {
      it('docker push with content trust is held and released by its own signature, and all can pull', async () => {
        const owner = person(`owner-${client}`, client);
        const name = `team/${client}`;
        const pushed = await owner.must('push', await tagged(`${name}:1`, 'one'));
        expect(pushed.stdout).toContain(`Successfully signed ${at(name)}:1`);
        const digest = digestIn(pushed.stdout);
        for (const reader of READERS) {
          expect([reader.name, await pull(reader, `${name}:1`)]).toEqual([
            reader.name,
            expect.stringMatching(/^done /),
          ]);
        }
        // And what somebody else pushes over it, unsigned, is held: the tag stays what was signed.
        const overwritten = await admin.plain('push', await tagged(`${name}:1`, 'two'));
        expect(digestIn(overwritten.stdout)).not.toBe(digest);
        expect(await pull(podmanClient, `${name}:1`)).toBe(`done ${digest}`);
        const unsigned = await admin.plain('push', await tagged(`${name}:unsigned`, 'three'));
        for (const reader of READERS) {
          expect([reader.name, await pull(reader, `${name}:unsigned`)]).toEqual([
            reader.name,
            expect.stringMatching(/^exit /),
          ]);
          const byDigest = `${name}@${digestIn(unsigned.stdout)}`;
          expect([reader.name, await pull(reader, byDigest)]).toEqual([
            reader.name,
            expect.stringMatching(/^exit /),
          ]);
        }
        expect(await pull(podmanClient, `${name}@${digestIn(unsigned.stdout)}`)).toMatch(
          failing('not signed: policy team needs @repository'),
        );
      });

      it('docker trust sign --local releases what it pushes; without, the old digest is signed again', async () => {
        const owner = person(`local-${client}`, client);
        const name = `team/local-${client}`;
        const first = digestIn((await owner.must('push', await tagged(`${name}:1`, 'one'))).stdout);
        const next = digestIn((await admin.plain('push', await tagged(`${name}:1`, 'two'))).stdout);
        const again = await owner.must('trust', 'sign', at(`${name}:1`));
        expect(again.stdout).toContain(`Successfully signed ${at(name)}:1`);
        expect(await pull(podmanClient, `${name}:1`)).toBe(`done ${first}`);
        const local = await owner.must(
          'trust',
          'sign',
          '--local',
          await tagged(`${name}:1`, 'two'),
        );
        expect(digestIn(local.stdout)).toBe(next);
        expect(await pull(podmanClient, `${name}:1`)).toBe(`done ${next}`);
        // A tag that was never there before, too.
        await owner.must('trust', 'sign', '--local', await tagged(`${name}:2`, 'three'));
        expect(await pull(podmanClient, `${name}:2`)).toMatch(/^done /);
        await owner.must('trust', 'revoke', at(`${name}:2`));
        expect(await pull(podmanClient, `${name}:2`)).toMatch(/^exit /);
      });

      it('after signer remove of the last signer everybody pulls what docker pulls: what the owner signed', async () => {
        const owner = person(`removes-${client}`, client);
        const name = `team/removed-${client}`;
        const first = digestIn((await owner.must('push', await tagged(`${name}:1`, 'one'))).stdout);
        await owner.must('trust', 'key', 'generate', 'sam');
        const key = join(owner.folder, 'sam.pub');
        await owner.must('trust', 'signer', 'add', '--key', key, 'sam', at(name));
        await owner.must('trust', 'sign', await tagged(`${name}:2`, 'two'));
        expect(await pull(podmanClient, `${name}:2`)).toMatch(/^done /);
        await owner.must('trust', 'signer', 'remove', '-f', 'sam', at(name));
        await owner.must('pull', at(`${name}:1`));
        expect(await pull(podmanClient, `${name}:1`)).toBe(`done ${first}`);
        // docker 28 leaves the last signer where it was, without a word.
        const two = await owner.docker('pull', at(`${name}:2`));
        expect(two.code === 0).toBe(client === 'docker-28');
        expect(await pull(podmanClient, `${name}:2`)).toMatch(two.code === 0 ? /^done / : /^exit /);
      });
    });

    it('what was overwritten in the registry itself is still what was signed', async () => {
      const owner = person('overwritten', 'docker-28');
      const pushed = await owner.must('push', await tagged('team/behind:1', 'one'));
      const image = buildImage({ layers: [tarLayer({ content: 'evil' })] });
      const evil = await pushImage(ground.registry.url, 'team/behind', image, '1');
      for (const reader of READERS) {
        expect(await pull(reader, 'team/behind:1')).toMatch(/^done /);
        expect(await pull(reader, `team/behind@${evil}`)).toMatch(/^exit /);
      }
      expect(await pull(podmanClient, 'team/behind:1')).toBe(`done ${digestIn(pushed.stdout)}`);
    });

    it('a named authority signs through the role of its own key, and nobody in its place', async () => {
      const owner = person('named-owner', 'docker-28');
      const bot = dockerHome(join(scope.folder(), 'people', 'bot'), {
        engine: ground.engine.address,
        client: 'docker-28',
      });
      const mallory = person('mallory', 'docker-28');
      await mallory.must('trust', 'key', 'generate', 'mallory');
      const gun = at('named/app');
      for (const home of [bot, mallory]) {
        const name = home === bot ? 'release-bot' : 'mallory';
        const key = join(home.folder, `${name}.pub`);
        await owner.must('trust', 'signer', 'add', '--key', key, name, gun);
      }
      await bot.must('trust', 'sign', await tagged('named/app:1', 'one'));
      expect(await pull(podmanClient, 'named/app:1')).toMatch(/^done /);
      const signed = await mallory.must('trust', 'sign', await tagged('named/app:2', 'two'));
      expect(signed.stdout).toContain(`Successfully signed ${gun}:2`);
      // docker itself would pull it: it is in targets/releases.
      expect((await mallory.must('trust', 'inspect', `${gun}:2`)).stdout).toContain('mallory');
      expect(await pull(podmanClient, 'named/app:2')).toMatch(/^exit /);
    });

    it('under another name of the host docker says that there are none, and our commands which one there are', async () => {
      const owner = person('own-name', 'docker-28');
      await owner.must('push', await tagged('team/alias:1', 'one'));
      const alias = aliasOf(gate.host);
      const other = person('alias', 'docker-28');
      logIn(other, alias, PUSHER, PASSWORD);
      const ran = await other.docker('pull', `${alias}/team/alias:1`);
      expect([ran.code, ran.stderr]).toEqual([
        1,
        expect.stringContaining(`${alias} does not have trust data for ${alias}/team/alias`),
      ]);
      site.login(alias, PUSHER, PASSWORD);
      const shown = await site.cli(['inspect', `${alias}/team/alias`]);
      expect(shown.stderr).toContain(`use ${at('team/alias')}`);
      const doctor = await site.cli(['doctor', alias, '--root', site.folder]);
      expect(doctor.stdout).toContain(`is another name of ${gate.host}`);
    });

    it('after a deletion and a new beginning nothing is believed until an administrator says so', async () => {
      const owner = person('begun', 'docker-28');
      await owner.must('push', await tagged('team/begun:1', 'one'));
      expect(await pull(podmanClient, 'team/begun:1')).toMatch(/^done /);
      const authorization = `Basic ${btoa(`${PUSHER}:${PASSWORD}`)}`;
      const deleted = await fetch(`${gate.url}/v2/${at('team/begun')}/_trust/tuf/`, {
        method: 'DELETE',
        headers: { authorization },
      });
      expect(deleted.status).toBe(200);
      const other = person('usurper', 'docker-28');
      const pushed = await other.must('push', await tagged('team/begun:1', 'two'));
      expect(pushed.stdout).toContain(`Successfully signed ${at('team/begun')}:1`);
      expect(await pull(podmanClient, 'team/begun:1')).toMatch(
        failing('trust data: not the pinned root'),
      );
      const body = JSON.stringify({ repository: at('team/begun'), reason: 'the root key is lost' });
      const reset = await fetch(`${gate.url}/api/v1/roots/reset`, {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json' },
        body,
      });
      expect([reset.status, await reset.text()]).toEqual([200, expect.any(String)]);
      expect(await pull(podmanClient, 'team/begun:1')).toBe(`done ${digestIn(pushed.stdout)}`);
    });
  },
);
