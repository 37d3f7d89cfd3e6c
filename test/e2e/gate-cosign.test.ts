import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { MatrixColumn } from '../../docs/client-matrix.ts';
import { proves, shownAs } from '../support/client-matrix.ts';
import type { CosignKey, CosignName } from '../support/cosign.ts';
import { cosignSign, cosignVerify, generateCosignKey } from '../support/cosign.ts';
import type { Service, Site } from '../support/countersign.ts';
import { createSite, startService } from '../support/countersign.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import type { DockerRegistry } from '../support/docker-registry.ts';
import { startDockerRegistry, writeHtpasswd } from '../support/docker-registry.ts';
import { buildImage, pushImage } from '../support/image.ts';
import { oneSigner } from '../support/one-signer.ts';
import { suiteScope } from '../support/scope.ts';
import { tarLayer } from '../support/tar.ts';

const COSIGNS: readonly CosignName[] = ['cosign-2', 'cosign-3'];
const TYPES = ['ed25519', 'ecdsa-p256', 'rsa'];
const image = (content: string) => buildImage({ layers: [tarLayer({ content })] });

describeWithClients(
  'the command line and the gate beside cosign',
  ['docker-registry', 'cosign-2', 'cosign-3', 'htpasswd'],
  () => {
    const scope = suiteScope();
    let site: Site;
    let registry: DockerRegistry;
    let foreign: CosignKey;
    const publicKey = (name: string): string => join(site.policies, 'keys', `${name}.pub`);
    const at = (name: string): string => `${registry.host}/${name}`;

    beforeAll(async () => {
      registry = scope.own(await startDockerRegistry(join(scope.folder(), 'registry')));
      site = createSite(join(scope.folder(), 'site'));
      for (const type of TYPES) await site.key(type, type);
      foreign = await generateCosignKey('cosign-2', join(scope.folder(), 'cosign'));
    });

    // What the format is made of is in cosign-format.test.ts; this is what a person does.
    const signAs = async (name: string, key: string): Promise<void> => {
      expect(await site.cli(['sign', at(name), '--key', key])).toMatchObject({ code: 0 });
    };

    it.for(COSIGNS)('%s accepts its own signature and refuses another key', async (cosign) => {
      const digest = await pushImage(registry.url, `own/${cosign}`, image(`${cosign}\n`), '1');
      const name = at(`own/${cosign}@${digest}`);
      expect(await cosignSign(cosign, name, foreign)).toMatchObject({ code: 0 });
      expect(await cosignVerify(cosign, name, foreign.publicKey)).toMatchObject({ code: 0 });
      expect((await cosignVerify(cosign, name, publicKey('ed25519'))).code).not.toBe(0);
    });

    describe.for(TYPES)('our %s signature', (type) => {
      beforeAll(async () => {
        await pushImage(registry.url, `ours/${type}`, image(`${type}\n`), '1');
        await signAs(`ours/${type}:1`, type);
      });

      it.for(COSIGNS)('is accepted by %s, which refuses a wrong key', async (cosign) => {
        const name = at(`ours/${type}:1`);
        const accepted = await cosignVerify(cosign, name, publicKey(type));
        expect(accepted).toMatchObject({ code: 0 });
        expect(accepted.stdout).toContain(image(`${type}\n`).digest);
        expect((await cosignVerify(cosign, name, foreign.publicKey)).code).not.toBe(0);
      });
    });

    describe('at the gate', () => {
      let gate: Service;

      beforeAll(async () => {
        writeFileSync(publicKey('foreign'), readFileSync(foreign.publicKey));
        site.policy(oneSigner({ push: 'hold', authority: 'pipeline', key: 'keys/foreign.pub' }));
        const htpasswd = await writeHtpasswd(site.folder, { ci: 'ci password' });
        const config = (host: string): string => `registries:
  - host: ${host}
    upstream: ${registry.url}
identities:
  htpasswd: ${htpasswd}
access:
  - { repositories: ["${host}/team/**"], pull: [anonymous], push: [ci], admin: [ci] }
`;
        gate = scope.own(await startService(site, { config }));
      });

      it.for(COSIGNS)('%s releases a held push by signing it there', async (cosign) => {
        const authorization = `Basic ${btoa('ci:ci password')}`;
        const held = image(`held for ${cosign}\n`);
        await pushImage(gate.url, `team/${cosign}`, held, '1', { authorization });
        const before = await fetchStatus(`${gate.url}/v2/team/${cosign}/manifests/1`);
        expect(before).toBe(403);
        const login = ['--registry-username', 'ci', '--registry-password', 'ci password'];
        const signed = await cosignSign(
          cosign,
          `${gate.host}/team/${cosign}@${held.digest}`,
          foreign,
          login,
        );
        expect(signed).toMatchObject({ code: 0 });
        expect(await fetchStatus(`${gate.url}/v2/team/${cosign}/manifests/1`)).toBe(200);
        const verified = await cosignVerify(
          cosign,
          `${gate.host}/team/${cosign}:1`,
          foreign.publicKey,
        );
        expect(verified).toMatchObject({ code: 0 });
        const proved = proving(cosign);
        proved('pull signed', 'verifies');
        proved('hold', 'signs, verifies');
        proved('push signed', NOT_ITS_WORK);
        proved('push unsigned', NOT_ITS_WORK);
        proved('multi-arch', NOT_ITS_WORK);
      });

      it.for(COSIGNS)('%s is told why it cannot verify what is not signed', async (cosign) => {
        await pushImage(registry.url, `team/not-${cosign}`, image('unsigned\n'), '1');
        const name = `${gate.host}/team/not-${cosign}:1`;
        const refused = await cosignVerify(cosign, name, foreign.publicKey);
        expect(refused.code).not.toBe(0);
        expect(refused.output).toMatch(/not signed: policy team needs pipeline/);
        proving(cosign)('pull unsigned', `refused: ${shownAs(refused.output) ?? 'no reason'}`);
      });
    });
  },
);

const NOT_ITS_WORK = 'not its work';

const proving =
  (name: CosignName) =>
  (column: MatrixColumn, value: string): void =>
    proves({ name, programs: [name] }, 'docker-registry', column, value);

async function fetchStatus(url: string): Promise<number> {
  const accept = 'application/vnd.oci.image.manifest.v1+json';
  return (await fetch(url, { headers: { accept } })).status;
}
