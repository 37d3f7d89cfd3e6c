import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ClientName } from '../support/clients.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import type { DockerHome } from '../support/docker-home.ts';
import { dockerHome } from '../support/docker-home.ts';
import { notaryHome } from '../support/notary-home.ts';
import { suiteScope } from '../support/scope.ts';
import { TRUST_SERVERS } from '../support/trust-server.ts';
import { signedFile, versionsOf } from '../support/trust-files.ts';
import type { TrustGround, TrustStage } from '../support/trust-stage.ts';
import { startSameOrigin, startTrustGround, startTrustStage } from '../support/trust-stage.ts';
import type { SeenCall } from '../support/trust-wire.ts';

const CLIENTS: readonly ClientName[] = ['docker-20', 'docker-28'];
const NEEDS: readonly ClientName[] = [
  ...CLIENTS,
  'dockerd',
  'docker-registry',
  'notary',
  'notary-server',
];

/** `GET timestamp.json`: the method and the file below the repository's trust data; uploads with their parts. */
const asked = (calls: readonly SeenCall[]): string[] =>
  calls.map(({ method, path, parts }) => {
    const file = path.slice(path.indexOf('/_trust/tuf/') + '/_trust/tuf/'.length);
    return [method, file, parts.toSorted().join()].filter((word) => word !== '').join(' ');
  });

describeWithClients('docker with content trust, unmodified', NEEDS, () => {
  const scope = suiteScope();
  let ground: TrustGround;
  beforeAll(async () => {
    ground = await startTrustGround(scope);
    for (const name of ['one', 'two']) await ground.engine.makeImage(`image:${name}`, name);
  });

  describe.each(TRUST_SERVERS)('against %s', (kind) => {
    let stage: TrustStage;
    beforeAll(async () => {
      stage = await startTrustStage(scope, kind, ground);
    });

    describe.each(CLIENTS)('%s', (client) => {
      let alice: DockerHome;
      let reader: DockerHome;
      beforeAll(() => {
        alice = stage.home(`alice-${client}`, client);
        reader = stage.home(`reader-${client}`, client);
      });

      /** A repository of a test's own. */
      const at = (name: string): string => stage.at(`${client}/${name}`);
      /** Gives one of the suite's images a name. */
      const tagged = async (name: string, image = 'one'): Promise<string> => {
        await alice.plain('tag', `image:${image}`, name);
        return name;
      };
      /** Pushes and signs; returns the digest that the registry has now. */
      const push = async (name: string, image = 'one', home = alice): Promise<string> => {
        const { stdout } = await home.must('push', await tagged(name, image));
        return /digest: (sha256:[0-9a-f]{64})/.exec(stdout)?.[1] ?? 'no digest';
      };
      /** Pushes with content trust off. */
      const pushUnsigned = async (name: string, image = 'one'): Promise<void> => {
        await alice.plain('push', await tagged(name, image));
      };
      /** Adds a signer whose key is in the home's own store. */
      const addSigner = async (gun: string, name: string, home: DockerHome): Promise<void> => {
        await home.must('trust', 'key', 'generate', name);
        const key = join(home.folder, `${name}.pub`);
        const added = await alice.must('trust', 'signer', 'add', '--key', key, name, gun);
        expect(added.stdout).toContain(`Successfully added signer: ${name} to ${gun}`);
      };

      it('a first push initialises the repository and signs, later ones sign (items 2, 3, 4)', async () => {
        const gun = at('first');
        await tagged(`${gun}:1`);
        stage.wire.fresh();
        const first = await alice.must('push', `${gun}:1`);
        expect(first.stdout).toContain('Signing and pushing trust metadata');
        expect(first.stdout).toContain(`Finished initializing "${gun}"`);
        expect(first.stdout).toContain(`Successfully signed ${gun}:1`);
        expect(asked(stage.wire.fresh())).toEqual([
          'GET root.json',
          'GET timestamp.key',
          'GET snapshot.key',
          'GET root.json',
          'POST root,targets',
        ]);
        const { http } = stage.server;
        const versions = { root: 1, targets: 2, snapshot: 1, timestamp: 1 };
        expect(await versionsOf(http, gun)).toEqual(versions);
        const root = await signedFile(http, gun, 'root');
        for (const role of ['snapshot', 'timestamp']) {
          const key = JSON.parse((await http.file(gun, `${role}.key`)).body.toString()) as object;
          const file = await signedFile(http, gun, role);
          expect(root.keyOf(file.signers[0])).toEqual(key);
          expect(root.roleKeys(role)).toEqual(file.signers);
        }
        const second = await alice.must('push', await tagged(`${gun}:2`, 'two'));
        expect(second.stdout).toContain(`Successfully signed ${gun}:2`);
        expect(second.stdout).not.toContain('initializing');
        expect(await versionsOf(http, gun)).toEqual({
          root: 1,
          targets: 3,
          snapshot: 2,
          timestamp: 2,
        });
      });

      it('another machine pulls what is signed, and only that, by its digest (items 5 to 9)', async () => {
        const gun = at('pulled');
        const digest = await push(`${gun}:1`);
        const second = await push(`${gun}:2`, 'two');
        await pushUnsigned(`${gun}:unsigned`);
        stage.wire.fresh();
        const pulled = await reader.must('pull', `${gun}:1`);
        expect(pulled.stdout).toContain(`Pull (1 of 1): ${gun}:1@${digest}\n`);
        expect(pulled.stderr).toBe(`Tagging ${gun}@${digest} as ${gun}:1\n`);
        expect(asked(stage.wire.fresh())).toEqual([
          'GET root.json',
          'GET timestamp.json',
          expect.stringMatching(/^GET snapshot\.[0-9a-f]{64}\.json$/),
          expect.stringMatching(/^GET targets\.[0-9a-f]{64}\.json$/),
        ]);
        expect(await reader.docker('pull', `${gun}:unsigned`)).toMatchObject({
          code: 1,
          stderr: 'No valid trust data for unsigned\n',
        });
        const none = at('never');
        expect(await reader.docker('pull', `${none}:1`)).toMatchObject({
          code: 1,
          stderr: `Error: remote trust data does not exist for ${none}: ${stage.wire.host} does not have trust data for ${none}\n`,
        });
        const all = await reader.must('pull', '-a', gun);
        // In any order.
        expect(all.stdout.match(/(?<=^Pull \([12] of 2\): ).*$/gm)?.toSorted()).toEqual([
          `${gun}:1@${digest}`,
          `${gun}:2@${second}`,
        ]);
        stage.wire.fresh();
        await reader.must('pull', `${gun}@${digest}`);
        expect(stage.wire.fresh()).toEqual([]);
      });

      it('containers and builds start from what is signed (items 10, 11)', async () => {
        const gun = at('run');
        const digest = await push(`${gun}:1`);
        await pushUnsigned(`${gun}:unsigned`);
        const container = ['--rm', '--network', 'none'];
        const ran = await reader.must('run', ...container, `${gun}:1`);
        expect(ran.stdout).toBe('one');
        const refused = await reader.docker('run', ...container, `${gun}:unsigned`);
        expect(refused.code).toBe(125);
        expect(refused.stderr).toMatch(/^docker: No valid trust data for unsigned/);
        expect(refused.stderr).toContain(`'docker run --help'`);
        const created = await reader.must('create', `${gun}:1`);
        const id = created.stdout.trim();
        const image = ['inspect', '--format', '{{.Config.Image}}', id];
        expect((await reader.must(...image)).stdout).toBe(`${gun}@${digest}\n`);
        await reader.must('rm', id);
        expect(await reader.docker('create', `${gun}:unsigned`)).toMatchObject({
          code: 1,
          stderr: 'No valid trust data for unsigned\n',
        });
        const file = (from: string): Promise<string> => {
          const path = join(reader.folder, 'Dockerfile');
          writeFileSync(path, `FROM ${from}\nLABEL built=yes\n`);
          return Promise.resolve(path);
        };
        const build = async (from: string) =>
          reader.docker('build', '-f', await file(from), join(reader.folder, 'trust'));
        const built = await build(`${gun}:1`);
        expect([built.code, built.output]).toEqual([0, expect.any(String)]);
        expect(built.stdout).toContain(`FROM ${gun}@${digest}`);
        const unbuilt = await build(`${gun}:unsigned`);
        expect(unbuilt.code).toBe(1);
        expect(unbuilt.output).toContain('No valid trust data for unsigned');
      });

      it('docker trust inspect prints tags, signers and keys (item 12)', async () => {
        const gun = at('inspected');
        const digest = await push(`${gun}:1`);
        const signer = stage.home(`inspected-${client}`, client);
        await addSigner(gun, 'carol', signer);
        await signer.must('trust', 'sign', await tagged(`${gun}:2`, 'two'));
        const { stdout } = await reader.must('trust', 'inspect', gun);
        const root = await signedFile(stage.server.http, gun, 'root');
        const targets = await signedFile(stage.server.http, gun, 'targets');
        const two = await signedFile(stage.server.http, gun, 'targets/releases');
        const keys = (role: string): object[] => root.roleKeys(role).map((ID) => ({ ID }));
        const golden = [
          {
            Name: gun,
            SignedTags: [
              { SignedTag: '1', Digest: digest.slice(7), Signers: ['Repo Admin'] },
              { SignedTag: '2', Digest: two.digestOf('2'), Signers: ['carol'] },
            ],
            Signers: [{ Name: 'carol', Keys: [{ ID: targets.delegates('targets/carol')[0] }] }],
            AdministrativeKeys: [
              { Name: 'Root', Keys: keys('root') },
              { Name: 'Repository', Keys: keys('targets') },
            ],
          },
        ];
        expect(stdout).toBe(`${JSON.stringify(golden, null, 4)}\n`);
        const pretty = await reader.must('trust', 'inspect', '--pretty', gun);
        expect(pretty.stdout).toContain(`Signatures for ${gun}`);
        expect(pretty.stdout).toMatch(new RegExp(`^1 +${digest.slice(7)} +\\(Repo Admin\\)$`, 'm'));
        expect(pretty.stdout).toContain(`Administrative keys for ${gun}`);
        expect(pretty.stdout).toContain(`  Repository Key:\t${root.roleKeys('targets')[0]}`);
        expect(pretty.stdout).toContain(`  Root Key:\t${root.roleKeys('root')[0]}`);
        const one = await reader.must('trust', 'inspect', `${gun}:none`);
        expect(one.stdout).toContain('"SignedTags": []');
        const none = await reader.docker('trust', 'inspect', at('never'));
        expect(none).toMatchObject({ code: 1, stdout: '[]\n' });
        expect(none.stderr).toMatch(/^no signatures or cannot access /i);
      });

      it('a signer is added, also to a repository that is new, and signs (items 13 to 17)', async () => {
        const gun = at('signers');
        await push(`${gun}:1`);
        const bob = stage.home(`bob-${client}`, client);
        await addSigner(gun, 'bob', bob);
        const targets = await signedFile(stage.server.http, gun, 'targets');
        expect(targets.delegates('targets/bob')).toEqual(targets.delegates('targets/releases'));
        expect(targets.delegates('targets/bob')).toHaveLength(1);
        const fresh = at('fresh');
        stage.wire.fresh();
        const key = join(bob.folder, 'bob.pub');
        const added = await alice.must('trust', 'signer', 'add', '--key', key, 'bob', fresh);
        expect(added.stdout).toContain(`Successfully initialized "${fresh}"`);
        expect(asked(stage.wire.fresh()).at(-1)).toBe('POST root,targets');
        for (const name of [gun, fresh]) {
          stage.wire.fresh();
          // Bob has his own key and no other: neither the root's nor the repository's (item 21).
          const signed = await bob.must('trust', 'sign', await tagged(`${name}:3`, 'two'));
          expect(signed.stdout).toContain(`Successfully signed ${name}:3`);
          expect(signed.stderr).toContain(
            `Signing and pushing trust data for local image ${name}:3, may overwrite remote trust data`,
          );
          expect(asked(stage.wire.fresh()).at(-1)).toBe('POST targets/bob,targets/releases');
          const shown = await reader.must('trust', 'inspect', `${name}:3`);
          expect(JSON.parse(shown.stdout)).toMatchObject([
            { SignedTags: [{ SignedTag: '3', Signers: ['bob'] }] },
          ]);
        }
        stage.wire.fresh();
        const again = await bob.must('trust', 'sign', `${gun}:3`);
        // Docker uploads nothing then, and expects a success.
        expect(stage.wire.fresh().at(-1)?.body.toString()).toMatch(/^\r\n--[0-9a-f]{60}--\r\n$/);
        expect(again.stdout).toMatch(
          /^Existing signatures for tag 3 digest [0-9a-f]{64} from:\nbob$/m,
        );
        const local = await bob.must('trust', 'sign', '--local', await tagged(`${gun}:3`, 'one'));
        expect(local.stdout).toContain(`Successfully signed ${gun}:3`);
        const ran = await reader.must('run', '--rm', '--network', 'none', `${gun}:3`);
        expect(ran.stdout).toBe('one');
      });

      it('what is revoked is no longer pulled (items 18, 19)', async () => {
        const gun = at('revoked');
        await addSigner(gun, 'bob', alice);
        for (const tag of ['3', '4', '5']) {
          await alice.must('trust', 'sign', await tagged(`${gun}:${tag}`));
        }
        await reader.must('pull', `${gun}:3`);
        const revoked = await alice.must('trust', 'revoke', `${gun}:3`);
        expect(revoked.stdout).toBe(`Successfully deleted signature for ${gun}:3\n`);
        const gone = { code: 1, stderr: 'No valid trust data for 3\n' };
        expect(await reader.docker('pull', `${gun}:3`)).toMatchObject(gone);
        expect(await alice.docker('trust', 'revoke', `${gun}:3`)).toMatchObject({
          code: 1,
          stderr: `could not remove signature for ${gun}:3: No valid trust data for 3\n`,
        });
        await reader.must('pull', `${gun}:4`);
        const all = await alice.must('trust', 'revoke', '-y', gun);
        expect(all.stdout).toBe(`Successfully deleted signature for ${gun}\n`);
        for (const tag of ['4', '5']) {
          expect(await reader.docker('pull', `${gun}:${tag}`)).toMatchObject({ code: 1 });
        }
      });

      // The command of 26.1 to 28 exits with 0 and removes nobody.
      it.runIf(client === 'docker-20')('a removed signer counts no longer (item 20)', async () => {
        const gun = at('removed');
        await push(`${gun}:1`);
        await addSigner(gun, 'carol', alice);
        await alice.must('trust', 'sign', await tagged(`${gun}:3`));
        await reader.must('pull', `${gun}:3`);
        const removed = await alice.must('trust', 'signer', 'remove', '-f', 'carol', gun);
        expect(removed.stdout).toContain(`Successfully removed carol from ${gun}`);
        const refused = await reader.docker('pull', `${gun}:3`);
        expect(refused.code).toBe(1);
        expect(refused.stderr).toMatch(/No valid trust data for 3\n$/);
        await reader.must('pull', `${gun}:1`);
      });

      it('a signer cannot sign where the snapshot key is with somebody else, and nothing is stored (item 22)', async () => {
        const gun = at('snapshot');
        const bob = stage.home(`late-bob-${client}`, client);
        await bob.must('trust', 'key', 'generate', 'bob');
        const ca = join(bob.folder, 'ca.pem');
        writeFileSync(ca, stage.server.authority.ca);
        const owner = notaryHome(join(bob.folder, 'owner'), { url: stage.wire.url, ca });
        const key = join(bob.folder, 'bob.pub');
        await owner.must('init', gun);
        for (const role of ['targets/bob', 'targets/releases']) {
          await owner.must('delegation', 'add', gun, role, key, '--all-paths');
        }
        await owner.must('publish', gun);
        const before = await versionsOf(stage.server.http, gun);
        const refused = await bob.docker('trust', 'sign', await tagged(`${gun}:1`));
        expect(refused.code).toBe(1);
        expect(refused.stderr).toContain(
          `failed to sign ${gun}:1: Metadata hierarchy is incomplete: no snapshot was included in update and server does not hold current snapshot key for repository`,
        );
        expect(await versionsOf(stage.server.http, gun)).toEqual(before);
        expect((await stage.server.http.file(gun, 'targets/bob.json')).status).not.toBe(200);
      });
    });
  });

  describe.each(TRUST_SERVERS)('%s on the origin of the registry itself', (kind) => {
    it.each(CLIENTS)('%s needs no DOCKER_CONTENT_TRUST_SERVER (item 47)', async (client) => {
      const { engine } = ground;
      const host = await startSameOrigin(scope, kind, ground, join(scope.folder(), client));
      const home = (name: string): DockerHome =>
        dockerHome(join(scope.folder(), client, name), { engine: engine.address, client });
      const [alice, reader] = [home('alice'), home('reader')];
      const gun = `${host}/team/app`;
      await alice.plain('tag', 'image:one', `${gun}:1`);
      const pushed = await alice.must('push', `${gun}:1`);
      expect(pushed.stdout).toContain(`Finished initializing "${gun}"`);
      expect(pushed.stdout).toContain(`Successfully signed ${gun}:1`);
      const pulled = await reader.must('pull', `${gun}:1`);
      expect(pulled.stdout).toMatch(/^Pull \(1 of 1\): /);
      await alice.plain('tag', 'image:two', `${gun}:2`);
      await alice.plain('push', `${gun}:2`);
      expect(await reader.docker('pull', `${gun}:2`)).toMatchObject({
        code: 1,
        stderr: 'No valid trust data for 2\n',
      });
    });
  });
});
