import { beforeAll, describe, expect, it } from 'vitest';
import type { ClientName } from '../support/clients.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import type { DockerHome } from '../support/docker-home.ts';
import { logIn } from '../support/docker-home.ts';
import { installPlugin, PLUGIN } from '../support/docker-plugin.ts';
import type { Ran } from '../support/run.ts';
import { suiteScope } from '../support/scope.ts';
import { TRUST_SERVERS } from '../support/trust-server.ts';
import type { TrustGround, TrustStage } from '../support/trust-stage.ts';
import { startTrustGround, startTrustStage } from '../support/trust-stage.ts';

const NEEDS: readonly ClientName[] = [
  'docker-28',
  'docker-new',
  'dockerd-new',
  'containerd-new',
  'docker-registry',
  'notary-server',
];

// Docker 29 keeps images in containerd, and Docker 28 where it is told to.
describeWithClients('docker trust with an engine that keeps images in containerd', NEEDS, () => {
  const scope = suiteScope();
  let ground: TrustGround;
  beforeAll(async () => {
    ground = await startTrustGround(scope, 'containerd');
    for (const tag of ['1', '2']) await ground.engine.makeImage(`image:${tag}`, tag);
  }, 120_000);

  describe.each(TRUST_SERVERS)('against %s', (kind) => {
    let stage: TrustStage;
    let home: DockerHome;
    let gun: string;
    let trust: (...args: readonly string[]) => Promise<Ran>;
    beforeAll(async () => {
      stage = await startTrustStage(scope, kind, ground);
      home = stage.home('dave', 'docker-new');
      await installPlugin(home);
      gun = stage.at(`team/${kind}`);
      for (const tag of ['1', '2']) await home.plain('tag', `image:${tag}`, `${gun}:${tag}`);
      const env = { VITEST: undefined, NODE_OPTIONS: undefined };
      trust = (...args) => home.run([PLUGIN, ...args], { env });
      logIn(home, stage.registry.host, 'dave', 'secret');
      await home.plain('tag', 'image:1', stage.at(`old/${kind}:1`));
    });

    /** What the registry has under a tag. */
    async function digestOf(tag: string): Promise<string> {
      const url = `${stage.registry.url}/v2/team/${kind}/manifests/${tag}`;
      const accept = 'application/vnd.oci.image.manifest.v1+json';
      const answer = await fetch(url, { method: 'HEAD', headers: { accept } });
      return answer.headers.get('docker-content-digest') ?? '';
    }

    it('signs what was pushed, shows it and revokes it', async () => {
      const first = await trust('sign', '--local', `${gun}:1`);
      expect(first).toMatchObject({ code: 0 });
      expect(first.stdout).toContain('Created signer: dave');
      expect(first.stdout).toContain(`Successfully signed ${gun}:1`);
      // Not signed before, so that it is pushed: as docker does it.
      expect(await trust('sign', `${gun}:2`)).toMatchObject({ code: 0 });
      for (const tag of ['1', '2']) {
        const shown = await trust('inspect', `${gun}:${tag}`);
        const [{ SignedTags: tags } = {}] = JSON.parse(shown.stdout) as readonly {
          SignedTags?: readonly object[];
        }[];
        const digest = (await digestOf(tag)).replace('sha256:', '');
        expect(tags).toEqual([{ SignedTag: tag, Digest: digest, Signers: ['dave'] }]);
      }

      // What changed here is signed with --local alone, as with every engine.
      await home.plain('tag', 'image:2', `${gun}:1`);
      expect((await trust('sign', `${gun}:1`)).stdout).toContain('Existing signatures for tag 1');
      expect(await digestOf('1')).not.toBe(await digestOf('2'));
      expect(await trust('sign', '--local', `${gun}:1`)).toMatchObject({ code: 0 });
      expect(await digestOf('1')).toBe(await digestOf('2'));
      const again = await trust('inspect', `${gun}:1`);
      expect(again.stdout).toContain((await digestOf('2')).replace('sha256:', ''));

      expect(await trust('revoke', `${gun}:1`)).toMatchObject({ code: 0 });
      expect((await trust('inspect', `${gun}:1`)).stdout).not.toContain('"SignedTag"');
      // With the length that the manifest has: docker checks it as it pulls.
      const reader = stage.home('reader', 'docker-28');
      expect((await reader.docker('pull', `${gun}:2`)).output).toContain('Tagging');
    }, 120_000);

    it("is not signed by docker's own commands, whatever the server: the engine tells it nothing", async () => {
      const old = stage.home('old', 'docker-28');
      logIn(old, stage.registry.host, 'dave', 'secret');
      const push = await old.docker('push', stage.at(`old/${kind}:1`));
      expect(push.code).toBe(1);
      expect(push.output).toContain('no hashes specified for target');
      const sign = await old.docker('trust', 'sign', '--local', stage.at(`old/${kind}:1`));
      expect(sign.code).toBe(1);
      expect(sign.output).toContain('no hashes specified for target');
    }, 60_000);
  });
});
