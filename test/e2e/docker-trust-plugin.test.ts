import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ClientName } from '../support/clients.ts';
import { ENTRY } from '../support/countersign.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import type { DockerHome } from '../support/docker-home.ts';
import { logIn } from '../support/docker-home.ts';
import { installPlugin, PLUGIN } from '../support/docker-plugin.ts';
import type { RunOptions } from '../support/run.ts';
import { run } from '../support/run.ts';
import { suiteScope } from '../support/scope.ts';
import { TRUST_SERVERS } from '../support/trust-server.ts';
import type { TrustGround, TrustStage } from '../support/trust-stage.ts';
import { startTrustGround, startTrustStage } from '../support/trust-stage.ts';

const NEEDS: readonly ClientName[] = [
  'docker-20',
  'docker-28',
  'dockerd',
  'docker-registry',
  'notary-server',
];

/** What a command said, without what differs between two people and two repositories. */
interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** One person with one way of saying `docker trust`, and a repository of her own. */
interface Side {
  readonly home: DockerHome;
  readonly gun: string;
  trust(args: readonly string[], options?: RunOptions): Promise<Said>;
}

const AGAIN = { DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: undefined };

describeWithClients('docker trust as a plugin', NEEDS, () => {
  const scope = suiteScope();
  let ground: TrustGround;
  const digests = new Map<string, string>();
  beforeAll(async () => {
    ground = await startTrustGround(scope);
    for (const tag of ['1', '2', '10']) {
      await ground.engine.makeImage(`image:${tag}`, tag);
    }
  });

  describe.each(TRUST_SERVERS)('against %s', (kind) => {
    let stage: TrustStage;
    let count = 0;
    /** Our lines behind docker's, of the test that runs. */
    let added: string[] = [];
    let theirs: Side;
    let ours: Side;
    beforeAll(async () => {
      stage = await startTrustStage(scope, kind, ground);
    });
    beforeEach(async () => {
      count += 1;
      added = [];
      theirs = await makeSide('theirs', 'trust', 'docker-28');
      ours = await makeSide('oursis', PLUGIN, 'docker-28');
    });

    async function makeSide(who: string, word: string, client: ClientName): Promise<Side> {
      const home = stage.home(`${who}-${count}`, client);
      if (word === PLUGIN) await installPlugin(home);
      const gun = stage.at(`${who}/${kind}-${count}`);
      for (const tag of ['1', '2', '10']) await home.plain('tag', `image:${tag}`, `${gun}:${tag}`);
      const trust: Side['trust'] = async (args, options = {}) => {
        const env = { VITEST: undefined, NODE_OPTIONS: undefined, ...options.env };
        const ran = await home.run([word, ...args], { ...options, env });
        for (const [, tag, hex] of ran.stdout.matchAll(/^(\S+): digest: sha256:(\w{64})/gm)) {
          digests.set(hex as string, `DIGEST-OF-${tag}`);
        }
        const plain = (text: string): string =>
          text
            .replaceAll(home.folder, 'HOME')
            .replaceAll(gun, 'GUN')
            .replaceAll(gun.slice(gun.indexOf('/') + 1), 'PATH')
            .replaceAll(/[0-9a-f]{64}/g, (hex) => digests.get(hex) ?? 'KEY')
            // Which layers the registry has already is of no interest here.
            .replaceAll(/^[0-9a-f]{12}: .*\n/gm, '')
            .replaceAll(/\b[0-9a-f]{12}\b/g, 'KEY')
            .replaceAll(/ID [0-9a-f]{7}\b/g, 'ID KEY')
            // What notary's library logs on its own.
            .replaceAll(/^time=".*\n/gm, '')
            // What we say behind docker's own words: tested where it is said.
            .replaceAll(/^countersign: .*\n/gm, (line) => {
              added.push(line);
              return '';
            });
        return { code: ran.code, stdout: plain(ran.stdout), stderr: plain(ran.stderr) };
      };
      return { home, gun, trust };
    }

    /** Has both say the same thing; `GUN` is each one's repository. Returns what ours said. */
    async function both(args: string, options: RunOptions = {}, other = theirs): Promise<Said> {
      const words = (side: Side): string[] =>
        args.split(' ').map((word) => word.replaceAll('GUN', side.gun));
      const expected = await other.trust(words(other), options);
      const found = await ours.trust(words(ours), options);
      expect(found, `docker trust ${args}`).toEqual(expected);
      return found;
    }

    it('helps, and takes wrong usage, in the same words', async () => {
      const commands = ['', 'key ', 'signer ', 'sign ', 'revoke ', 'inspect ', 'key generate '];
      for (const command of [...commands, 'key load ', 'signer add ', 'signer remove ']) {
        expect(await both(`${command}--help`)).toMatchObject({ code: 0, stderr: '' });
        expect(await both(`${command}--bogus`)).toMatchObject({ code: 125 });
      }
      for (const args of ['-h', 'inspect -h', 'key']) {
        expect(await both(args)).toMatchObject({ code: 0 });
      }
      for (const args of [
        'frobnicate',
        'key frob',
        'sign',
        'sign a b',
        'inspect',
        'revoke',
        'key generate',
        'key load',
        'signer add',
        'signer remove bob',
      ]) {
        expect(await both(args)).toMatchObject({ code: 1 });
      }
      for (const args of ['sign --local=maybe x', 'revoke -yx a', 'signer add --key', 'sign -q']) {
        expect(await both(args)).toMatchObject({ code: 125 });
      }
    });

    it('makes keys, and refuses as docker does', async () => {
      expect(await both('key generate bob')).toMatchObject({ code: 0 });
      for (const args of [
        'key generate bob',
        'key generate Bob!',
        'key generate eve --dir nowhere',
        'key load nofile',
        'key load bob.pub',
      ]) {
        expect(await both(args)).toMatchObject({ code: 1 });
      }
      const input = 'a long passphrase\na long passphrase\n';
      expect(await both('key generate typed', { env: AGAIN, input })).toMatchObject({ code: 0 });
      for (const { home } of [theirs, ours]) {
        writeFileSync(join(home.folder, 'open.key'), 'x', { mode: 0o644 });
        chmodSync(join(home.folder, 'open.key'), 0o644);
        writeFileSync(join(home.folder, 'none.key'), 'no key', { mode: 0o600 });
      }
      expect(await both('key load open.key')).toMatchObject({ code: 1 });
      expect(await both('key load none.key --name eve')).toMatchObject({ code: 1 });
    });

    it('says of repositories without trust data what docker says', async () => {
      for (const args of [
        'inspect GUN',
        'inspect --pretty GUN',
        'inspect GUN GUN-too',
        'sign GUN:nolocal',
        'sign GUN',
        `sign GUN@sha256:${'0'.repeat(64)}`,
        'revoke GUN:1',
        'revoke -y GUN',
        `revoke GUN@sha256:${'0'.repeat(64)}`,
        'revoke UPPER',
        'signer remove bob GUN',
        'signer remove releases GUN',
      ]) {
        expect(await both(args)).toMatchObject({ code: 1 });
      }
      expect(added).toEqual([
        'countersign: docker signs what this engine has; what another client pushed is signed by countersign sign GUN:nolocal\n',
      ]);
    });

    it('adds signers, signs, shows and revokes with the same words and status (items 12 to 19)', async () => {
      await both('key generate bob');
      for (const args of [
        'signer add --key bob.pub bob GUN',
        'signer add --key bob.pub bob GUN',
        'inspect GUN',
        'inspect --pretty GUN',
        'sign GUN:1',
        'sign GUN:1',
        'sign --local GUN:1',
        'sign GUN:10',
        'sign GUN:2',
        'inspect GUN',
        'inspect GUN:1',
        'inspect GUN:none',
        'inspect --pretty GUN',
        'inspect --pretty GUN:10 GUN:2',
        `inspect GUN@sha256:${'0'.repeat(64)}`,
        'revoke GUN:2',
      ]) {
        expect(await both(args)).toMatchObject({ code: 0 });
      }
      expect(await both('sign GUN:none')).toMatchObject({ code: 1 });
      expect(await both('inspect GUN GUN-nope')).toMatchObject({ code: 1 });
      expect(await both('inspect --pretty GUN-nope GUN')).toMatchObject({ code: 1 });
      expect(await both('revoke GUN:2')).toMatchObject({ code: 1 });
      expect(await both('revoke GUN', { input: 'n\n' })).toMatchObject({ code: 0 });
      expect((await both('inspect GUN')).stdout).toContain('DIGEST-OF-10');
      expect(await both('revoke GUN', { input: 'y\n' })).toMatchObject({ code: 0 });
      expect((await both('inspect --pretty GUN')).stdout).toContain('No signatures for GUN');
    });

    it('refuses signers as docker does, and goes on with the other repositories', async () => {
      await both('key generate bob');
      for (const args of [
        'signer add bob GUN',
        'signer add --key nofile bob GUN',
        'signer add --key bob.pub releases GUN',
        'signer add --key bob.pub Bob GUN',
      ]) {
        expect(await both(args)).toMatchObject({ code: 1 });
      }
      const two = await both('signer add --key bob.pub bob GUN-two GUN/Three GUN-four');
      expect(two).toMatchObject({ code: 1 });
      expect(two.stdout).toContain('Successfully added signer: bob to GUN-four');
      // Somebody else's targets key is needed for it.
      for (const side of [theirs, ours]) {
        const { home, gun } = side;
        const other = stage.home(`owner-of-${gun.replaceAll(/\W/g, '-')}`, 'docker-28');
        const key = join(home.folder, 'bob.pub');
        await other.must('trust', 'signer', 'add', '--key', key, 'bob', gun);
        await side.trust(['key', 'generate', 'eve']);
      }
      const none = await both('signer add --key eve.pub eve GUN');
      expect(none).toMatchObject({ code: 1 });
      expect(none.stderr).toContain('could not find necessary signing keys');
    });

    it('removes signers as docker 20.10 does: 26.1 and later say nothing and do nothing', async () => {
      const old = await makeSide('elders', 'trust', 'docker-20');
      // Eve's private half is elsewhere: bob alone signs.
      await stage.home('eve', 'docker-28').docker('trust', 'key', 'generate', 'eve');
      for (const side of [old, ours]) {
        await side.trust(['key', 'generate', 'bob']);
        const eve = join(stage.home('eve', 'docker-28').folder, 'eve.pub');
        for (const [name, key] of Object.entries({ bob: 'bob.pub', eve })) {
          await side.trust(['signer', 'add', '--key', key, name, side.gun]);
        }
        await side.trust(['sign', `${side.gun}:1`]);
      }
      const lower = (text: string): string =>
        text.replaceAll(/^(?:No|Error)\b/gm, (word) => word.toLowerCase());
      const compare = async (args: string, options: RunOptions = {}): Promise<Said> => {
        const words = (side: Side): string[] =>
          args.split(' ').map((word) => word.replaceAll('GUN', side.gun));
        const expected = await old.trust(words(old), options);
        const found = await ours.trust(words(ours), options);
        // 20.10 says besides that it does nothing where the answer is no.
        const stdout = expected.stdout.replace('\nAborting action.\n', '');
        expect(found).toEqual({ ...expected, stdout, stderr: lower(expected.stderr) });
        return found;
      };
      expect(await compare('signer remove ghost GUN')).toMatchObject({ code: 1 });
      expect((await compare('signer remove eve GUN')).stdout).toContain('Successfully removed eve');
      const asked = await compare('signer remove bob GUN', { input: 'n\n' });
      expect(asked.stdout).toContain('Removing this signer will make GUN unpullable');
      expect((await compare('inspect --pretty GUN')).stdout).toContain('bob');
      expect(await compare('signer remove -f bob GUN GUN-nope')).toMatchObject({ code: 1 });
      expect((await compare('inspect GUN')).stdout).toContain('"Signers": []');
    });

    it('begins a repository for who is logged in', async () => {
      expect(await both('sign GUN:1')).toMatchObject({ code: 1 });
      // Docker says no more than `invalid delegation role name`; its line stays, and ours says what to do.
      expect(added).toEqual([
        `countersign: log in, which names the repository's first signer (docker login ${stage.registry.host}); or name one: docker trust key generate NAME && docker trust signer add --key NAME.pub NAME GUN; then sign again\n`,
      ]);
      for (const { home } of [theirs, ours]) logIn(home, stage.registry.host, 'dave', 'secret');
      expect(await both('sign GUN:1')).toMatchObject({ code: 0 });
      expect((await both('inspect GUN')).stdout).toContain('"dave"');
    });

    it('signs what docker pulls, goes on where docker began, and docker where it did', async () => {
      const { home, gun } = ours;
      const reader = stage.home(`reader-${count}`, 'docker-28');
      await home.must('push', `${gun}:1`);
      expect((await ours.trust(['inspect', gun])).stdout).toContain('"Repo Admin"');
      await ours.trust(['key', 'generate', 'bob']);
      await ours.trust(['signer', 'add', '--key', 'bob.pub', 'bob', gun]);
      expect(await ours.trust(['sign', `${gun}:2`])).toMatchObject({ code: 0 });
      await reader.must('pull', `${gun}:2`);
      for (const [flags, docker] of [
        [['--format', 'docker'], []],
        [['--pretty'], ['--pretty']],
      ] as const) {
        const shown = await run(process.execPath, [ENTRY, 'inspect', ...flags, gun], {
          env: { ...home.env, VITEST: undefined, NODE_OPTIONS: undefined },
        });
        const expected = await home.must('trust', 'inspect', ...docker, gun);
        expect(shown).toMatchObject({ code: 0, stdout: expected.stdout, stderr: '' });
      }
      // With docker's own words, and the key that the plugin made.
      const signed = await home.must('trust', 'sign', `${gun}:10`);
      expect(signed.stdout).toContain(`Successfully signed ${gun}:10`);
      expect((await ours.trust(['inspect', `${gun}:10`])).stdout).toContain('"bob"');
      // Tag 1 stands in targets from before there were signers: docker would leave it there.
      expect(await ours.trust(['revoke', '-y', gun])).toMatchObject({ code: 0 });
      for (const tag of ['1', '2', '10']) {
        const pull = await reader.docker('pull', `${gun}:${tag}`);
        expect(pull).toMatchObject({ code: 1 });
        expect(pull.stderr).toContain(`No valid trust data for ${tag}`);
      }
    });
  });

  describe('in docker itself', () => {
    it('is listed, and passed over where docker has its own', async () => {
      const stage = await startTrustStage(scope, 'notary-server', ground, 'listing');
      const home = stage.home('lister', 'docker-28');
      await installPlugin(home);
      const { stdout } = await home.plain('info', '--format', '{{json .ClientInfo.Plugins}}');
      const plugins = JSON.parse(stdout) as readonly { Name: string; Err?: string }[];
      const named = (name: string) => plugins.find(({ Name }) => Name === name);
      expect(named(PLUGIN)).toMatchObject({ SchemaVersion: '0.1.0', Vendor: 'Countersign' });
      expect(named('trust')?.Err).toContain('duplicates builtin command');
    });
  });
});
