import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ClientName } from '../support/clients.ts';
import { ENTRY } from '../support/countersign.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import type { DockerHome } from '../support/docker-home.ts';
import type { NotaryHome } from '../support/notary-home.ts';
import { notaryHome } from '../support/notary-home.ts';
import type { Ran } from '../support/run.ts';
import { mustRun, run } from '../support/run.ts';
import { suiteScope } from '../support/scope.ts';
import { TRUST_SERVERS } from '../support/trust-server.ts';
import type { TrustGround, TrustStage } from '../support/trust-stage.ts';
import { startTrustGround, startTrustStage } from '../support/trust-stage.ts';

const CLIENTS: readonly ClientName[] = ['docker-20', 'docker-28'];
const NEEDS: readonly ClientName[] = [
  ...CLIENTS,
  'dockerd',
  'docker-registry',
  'notary',
  'notary-server',
];

/** One repository of `docker trust inspect`. */
interface Inspected {
  readonly SignedTags: readonly {
    readonly SignedTag: string;
    readonly Signers: readonly string[];
  }[];
  readonly Signers: readonly { readonly Name: string }[];
}

describeWithClients('countersign, docker and notary share repositories and keys', NEEDS, () => {
  const scope = suiteScope();
  let ground: TrustGround;
  beforeAll(async () => {
    ground = await startTrustGround(scope);
    for (const name of ['one', 'two']) await ground.engine.makeImage(`image:${name}`, name);
  });

  describe.each(TRUST_SERVERS)('at %s', (kind) => {
    let stage: TrustStage;
    let homes = 0;
    beforeAll(async () => {
      stage = await startTrustStage(scope, kind, ground);
    });
    const home = (client: ClientName = 'docker-28'): DockerHome =>
      stage.home(`person-${homes++}`, client);
    const args = (words: readonly string[]): string[] => [ENTRY, ...words];
    const env = (of: DockerHome) => ({ ...of.env, VITEST: undefined, NODE_OPTIONS: undefined });
    const countersign = (of: DockerHome, ...words: readonly string[]): Promise<Ran> =>
      mustRun(process.execPath, args(words), { env: env(of), cwd: of.folder });
    const tries = (of: DockerHome, ...words: readonly string[]): Promise<Ran> =>
      run(process.execPath, args(words), { env: env(of), cwd: of.folder });
    const makeKey = (of: DockerHome, name: string, type = 'ecdsa-p256'): Promise<Ran> =>
      countersign(of, 'key', 'generate', name, '--type', type);
    const inspect = async (of: DockerHome, name: string): Promise<Inspected> => {
      const { stdout } = await of.must('trust', 'inspect', name);
      return (JSON.parse(stdout) as Inspected[])[0] as Inspected;
    };
    const signersOf = async (of: DockerHome, name: string, tag: string) =>
      (await inspect(of, name)).SignedTags.find((each) => each.SignedTag === tag)?.Signers;
    const notary = (folder: string): NotaryHome => {
      const ca = join(scope.folder(), `${kind}-ca.pem`);
      writeFileSync(ca, stage.server.authority.ca);
      return notaryHome(folder, { url: stage.wire.url, ca });
    };

    it.each(['ecdsa-p256', 'ed25519'])(
      'docker pulls what a first `countersign push` signed with %s, and signs on with its keys',
      async (type) => {
        const alice = home();
        const name = stage.at(`began-by-countersign/${type}`);
        await makeKey(alice, 'alice', type);
        const pushed = await countersign(alice, 'push', 'docker-daemon:image:one', `${name}:1`);
        expect(pushed.stderr).toMatch(/made the root key/);
        for (const client of CLIENTS) {
          const reader = home(client);
          const { stdout } = await reader.must('pull', `${name}:1`);
          expect(stdout).toContain('Pull (1 of 1)');
          expect(await signersOf(reader, name, '1')).toEqual(['alice']);
        }
        // docker's own next signature, by the key that countersign made.
        await alice.plain('tag', 'image:two', `${name}:2`);
        const next = await alice.must('push', `${name}:2`);
        expect(next.stdout + next.stderr).toContain(`Successfully signed ${name}:2`);
        expect(await signersOf(home(), name, '2')).toEqual(['alice']);
        // And on: countersign goes on from what docker has published.
        await countersign(alice, 'push', 'docker-daemon:image:two', `${name}:3`, '--format', 'dct');
        expect((await inspect(home(), name)).SignedTags.map((each) => each.SignedTag)).toEqual([
          '1',
          '2',
          '3',
        ]);
      },
    );

    it.each(CLIENTS)('signs in what %s initialised, with docker’s own keys', async (client) => {
      const owner = home(client);
      const name = stage.at(`began-by-${client}`);
      await owner.plain('tag', 'image:one', `${name}:1`);
      await owner.must('push', `${name}:1`);
      // Nobody is delegated to: the repository's own key signs, whoever is named.
      await makeKey(owner, 'carol');
      const pushed = await countersign(owner, 'push', 'docker-daemon:image:two', `${name}:2`);
      expect(pushed.stderr).toContain("signed by the repository's own key, not by carol");
      expect(await signersOf(home(client), name, '2')).toEqual(['Repo Admin']);

      await owner.must('trust', 'key', 'generate', 'bob');
      const key = join(owner.folder, 'bob.pub');
      await owner.must('trust', 'signer', 'add', '--key', key, 'bob', name);
      const bob = home(client);
      const store = (of: DockerHome): string => join(of.folder, 'trust', 'private');
      mkdirSync(store(bob), { recursive: true, mode: 0o700 });
      const listed = JSON.parse(
        (await countersign(owner, 'key', 'list', '--output', 'json')).stdout,
      ) as {
        keys: { name: string; notaryId: string }[];
      };
      const id = listed.keys.find((each) => each.name === 'bob')?.notaryId ?? '';
      copyFileSync(join(store(owner), `${id}.key`), join(store(bob), `${id}.key`));
      const signed = await countersign(bob, 'sign', `${name}:1`, '--format', 'dct');
      expect(signed.stderr).toContain('signed (dct)');
      expect(await signersOf(home(client), name, '1')).toEqual(['bob']);
      await home(client).must('pull', `${name}:1`);
      const refused = await tries(owner, 'sign', `${name}:1`, '--key', 'carol', '--format', 'dct');
      expect(refused).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('carol is none of its signers'),
      });
      // docker revokes what countersign signed.
      await bob.must('trust', 'revoke', `${name}:1`);
      expect(await signersOf(home(client), name, '1')).not.toContain('bob');
    });

    it('the notary client lists and verifies what countersign signs', async () => {
      const alice = home();
      const name = stage.at('read-by-notary');
      await makeKey(alice, 'alice', 'ed25519');
      await countersign(alice, 'push', 'docker-daemon:image:one', `${name}:1`);
      const reader = notary(join(scope.folder(), `${kind}-notary`));
      const { stdout } = await reader.must('list', name);
      expect(stdout).toMatch(/^\s*1\s+[0-9a-f]{64}\s+\d+\s+targets\/(?:alice|releases)\s*$/m);
      expect((await reader.must('lookup', name, '1')).stdout).toMatch(/^1 sha256:[0-9a-f]{64} \d+/);
    });

    it('signs where notary holds the snapshot key, and without it says what docker says', async () => {
      const owner = home();
      const name = stage.at('client-snapshot');
      const theirs = notary(join(owner.folder, 'trust'));
      await theirs.must('init', '-p', name);
      await makeKey(owner, 'alice');
      await countersign(owner, 'push', 'docker-daemon:image:one', `${name}:1`);
      const { stdout } = await notary(join(scope.folder(), `${kind}-notary-2`)).must('list', name);
      expect(stdout).toMatch(/^\s*1\s+[0-9a-f]{64}\s+\d+\s+targets\s*$/m);

      const elsewhere = home();
      const targets = join(elsewhere.folder, 'trust', 'private');
      mkdirSync(targets, { recursive: true, mode: 0o700 });
      const { keys } = JSON.parse(
        (await countersign(owner, 'key', 'list', '--output', 'json')).stdout,
      ) as {
        keys: { name: string; repository: string | null; notaryId: string }[];
      };
      for (const { name: role, notaryId } of keys) {
        if (role !== 'targets' && role !== 'alice') continue;
        const file = `${notaryId}.key`;
        copyFileSync(join(owner.folder, 'trust', 'private', file), join(targets, file));
      }
      const refused = await tries(
        elsewhere,
        'sign',
        `${name}:1`,
        '--key',
        'alice',
        '--format',
        'dct',
        '--renew',
      );
      expect(refused.code).toBe(1);
      expect(refused.stderr).toMatch(/hierarchy is incomplete|error occurred during validation/);
      // Nothing is staged that a later command would publish.
      expect(readdirSync(join(elsewhere.folder, 'trust', 'tuf', name))).toEqual(['metadata']);
    });
  });
});
