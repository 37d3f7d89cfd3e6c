import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import type { ClientName } from '../support/clients.ts';
import { ENTRY } from '../support/countersign.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import type { DockerHome } from '../support/docker-home.ts';
import { dockerHome } from '../support/docker-home.ts';
import { startNotaryMove } from '../support/notary-move.ts';
import type { Postgres } from '../support/postgres.ts';
import { startPostgres } from '../support/postgres.ts';
import { run } from '../support/run.ts';
import { suiteScope } from '../support/scope.ts';
import type { TrustGround } from '../support/trust-stage.ts';
import { startTrustGround } from '../support/trust-stage.ts';

const CLIENTS: readonly ClientName[] = ['docker-20', 'docker-28'];
const NEEDS: readonly ClientName[] = [
  ...CLIENTS,
  ...(['dockerd', 'docker-registry', 'notary-server', 'notary-signer'] as const),
  ...(['postgres', 'initdb', 'psql'] as const),
];

describeWithClients('docker goes on where notary-server was replaced', NEEDS, () => {
  const scope = suiteScope();
  let ground: TrustGround;
  let postgres: Postgres;
  beforeAll(async () => {
    postgres = scope.own(await startPostgres());
    ground = await startTrustGround(scope);
    await ground.engine.makeImage('image:one', 'one');
  });

  it.each(CLIENTS)(
    '%s, with its keys and its cache: pulls, pushes and signs without a warning',
    async (client) => {
      const folder = join(scope.folder(), client);
      const { host, url } = ground.registry;
      const move = await startNotaryMove(folder, { host, upstream: url }, { postgres });
      scope.own(move.old);
      const home = (name: string): DockerHome =>
        dockerHome(join(folder, name), {
          engine: ground.engine.address,
          client,
          server: move.old.url,
        });
      const [alice, reader] = [home('alice'), home('reader')];
      const gun = `${host}/${client}/app`;
      const push = async (tag: string): Promise<string> => {
        await alice.plain('tag', 'image:one', `${gun}:${tag}`);
        return (await alice.must('push', `${gun}:${tag}`)).output;
      };
      const quiet = /warn|error|level=/i;
      /** The key that signs the timestamp. */
      const keyOf = async (): Promise<string | undefined> => {
        const { body } = await move.http.file(gun, 'timestamp.json');
        const { signatures } = JSON.parse(body.toString()) as { signatures: { keyid: string }[] };
        return signatures[0]?.keyid;
      };

      await push('1');
      await alice.must('trust', 'key', 'generate', 'bob', '--dir', alice.folder);
      await alice.must(
        'trust',
        'signer',
        'add',
        '--key',
        join(alice.folder, 'bob.pub'),
        'bob',
        gun,
      );
      await alice.plain('tag', 'image:one', `${gun}:2`);
      await alice.must('trust', 'sign', `${gun}:2`);
      await reader.must('pull', `${gun}:1`);
      const inspected = (await reader.must('trust', 'inspect', gun)).stdout;
      const key = await keyOf();

      const { server, signer } = move.old.databases ?? { server: '', signer: '' };
      const databases = ['--server-db', postgres.url(server), '--signer-db', postgres.url(signer)];
      const ran = await move.importNotary([...databases, gun]);
      expect(ran.code).toBe(0);
      expect(ran.stdout).toContain(`${gun}: imported`);
      scope.own(await move.serve());

      expect(await keyOf()).toBe(key);
      expect((await reader.must('trust', 'inspect', gun)).stdout).toBe(inspected);
      const pulled = await reader.must('pull', `${gun}:2`);
      expect(pulled.stdout).toContain(`Pull (1 of 1): ${gun}:2@sha256:`);
      expect(pulled.output).not.toMatch(quiet);
      const pushed = await push('3');
      expect(pushed).toContain(`Successfully signed ${gun}:3`);
      expect(pushed).not.toMatch(quiet);
      const again = await reader.must('pull', `${gun}:3`);
      expect(again.output).not.toMatch(quiet);
      await alice.must('trust', 'revoke', `${gun}:3`);
      const revoked = await reader.docker('pull', `${gun}:3`);
      expect(revoked.code).toBe(1);
      expect(revoked.stderr).toContain('No valid trust data for 3');
      expect(await keyOf()).toBe(key);
    },
  );

  it('docker-28, of whose old server only what everybody can read is left: its owner changes to our keys, and goes on', async () => {
    const folder = join(scope.folder(), 'mirrored');
    const { host, url } = ground.registry;
    const move = await startNotaryMove(folder, { host, upstream: url }, {});
    scope.own(move.old);
    const home = (name: string): DockerHome =>
      dockerHome(join(folder, name), {
        engine: ground.engine.address,
        client: 'docker-28',
        server: move.old.url,
      });
    const [alice, reader] = [home('alice'), home('reader')];
    const gun = `${host}/mirrored/app`;
    const push = async (tag: string): Promise<string> => {
      await alice.plain('tag', 'image:one', `${gun}:${tag}`);
      const pushed = await alice.docker('push', `${gun}:${tag}`);
      return pushed.output;
    };
    await push('1');
    await reader.must('pull', `${gun}:1`);
    const ran = await move.importNotary(['--from', move.old.url, '--ca', move.ca]);
    expect(ran.code).toBe(0);
    expect(ran.stdout).toContain(`countersign root rotate --server-keys`);
    scope.own(await move.serve());

    expect((await reader.must('pull', `${gun}:1`)).output).not.toMatch(/warn|error|level=/i);
    expect(await push('2')).toContain('failed to sign');
    const rotated = await run(
      process.execPath,
      [ENTRY, 'root', 'rotate', '--server-keys', '--ca', move.ca, gun],
      { env: { ...alice.env, VITEST: undefined, NODE_OPTIONS: undefined }, cwd: alice.folder },
    );
    expect(rotated.output).toContain(`${gun} has new timestamp and snapshot keys of the server`);
    expect(await push('3')).toContain(`Successfully signed ${gun}:3`);
    const pulled = await reader.must('pull', `${gun}:3`);
    expect(pulled.stdout).toContain(`Pull (1 of 1): ${gun}:3@sha256:`);
    expect(pulled.output).not.toMatch(/warn|error|level=/i);
  });
});
