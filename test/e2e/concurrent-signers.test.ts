import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { fallbackTag } from '../../src/oci/referrers.ts';
import { clientPath } from '../support/clients.ts';
import type { CosignKey, CosignName } from '../support/cosign.ts';
import {
  cosignSign,
  cosignSignBundle,
  cosignVerify,
  cosignVerifyBundle,
  generateCosignKey,
} from '../support/cosign.ts';
import type { Service, Site } from '../support/countersign.ts';
import { createSite, startService } from '../support/countersign.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { contentImage, pushImage } from '../support/image.ts';
import type { Ran } from '../support/run.ts';
import { run } from '../support/run.ts';
import type { Scope } from '../support/scope.ts';
import { suiteScope } from '../support/scope.ts';

/** A gate that lets everything in and deletes nothing, before a registry without the referrers API. */
async function openGate(scope: Scope): Promise<{ readonly site: Site; readonly gate: Service }> {
  const registry = scope.own(await startDockerRegistry(join(scope.folder(), 'registry')));
  const site = createSite(join(scope.folder(), 'site'));
  site.policy(`version: 1
policies:
  - name: open
    images: ["\${registry}/**"]
    mode: off
    push: allow
    delete: deny
`);
  return { site, gate: scope.own(await startService(site, { upstream: registry.url })) };
}

const COSIGNS: readonly CosignName[] = ['cosign-2', 'cosign-3'];
const EACH = 8;
const OURS = 4;

describeWithClients(
  'signers who sign one image at the same time',
  ['docker-registry', ...COSIGNS],
  () => {
    const scope = suiteScope();
    const keys: { readonly cosign: CosignName; readonly key: CosignKey }[] = [];
    let site: Site;
    let gate: Service;

    beforeAll(async () => {
      ({ site, gate } = await openGate(scope));
      for (const cosign of COSIGNS) {
        for (let n = 0; n < EACH; n++) {
          const folder = join(scope.folder(), `${cosign}-${n}`);
          keys.push({ cosign, key: await generateCosignKey(cosign, folder) });
        }
      }
      for (let n = 0; n < OURS; n++) await site.key(`ours-${n}`);
    });

    it('lose nothing: neither cosign 2, nor cosign 3, nor countersign', async () => {
      const image = contentImage('signed by many\n');
      await pushImage(gate.url, 'team/app', image, '1');
      const name = `${gate.host}/team/app@${image.digest}`;
      const signed = await Promise.all([
        ...keys.map(({ cosign, key }) => cosignSign(cosign, name, key)),
        ...Array.from({ length: OURS }, (_, n) => site.cli(['sign', name, '--key', `ours-${n}`])),
      ]);
      expect(signed.filter((ran) => ran.code !== 0)).toEqual([]);

      const lost: string[] = [];
      for (const { cosign, key } of keys) {
        const verified = await cosignVerify(cosign, name, key.publicKey);
        if (verified.code !== 0) lost.push(`${cosign}: ${verified.stderr}`);
      }
      for (let n = 0; n < OURS; n++) {
        const key = join(site.policies, 'keys', `ours-${n}.pub`);
        const verified = await cosignVerify('cosign-2', name, key);
        if (verified.code !== 0) lost.push(`ours-${n}: ${verified.stderr}`);
      }
      expect(lost).toEqual([]);
    }, 240_000);
  },
);

const BUNDLES = 10;
const ATTACHMENTS = 4;

describeWithClients(
  'tools that attach to one image at the same time, before a registry without the referrers API',
  ['docker-registry', 'cosign-3', 'oras'],
  () => {
    const scope = suiteScope();
    const keys: CosignKey[] = [];
    let gate: Service;

    beforeAll(async () => {
      ({ gate } = await openGate(scope));
      for (let n = 0; n < BUNDLES; n++)
        keys.push(await generateCosignKey('cosign-3', join(scope.folder(), `bundle-${n}`)));
    });

    it('lose nothing: neither cosign 3 with its bundles, nor oras, which clears old lists away', async () => {
      const image = contentImage('attached to by many\n');
      await pushImage(gate.url, 'team/app', image, '1');
      const name = `${gate.host}/team/app@${image.digest}`;
      const attach = (n: number): Promise<Ran> => {
        const folder = join(scope.folder(), `oras-${n}`);
        mkdirSync(folder);
        writeFileSync(join(folder, 'note.txt'), `note ${n}\n`);
        return run(
          clientPath('oras'),
          [
            'attach',
            '--plain-http',
            '--artifact-type',
            'application/vnd.example.note',
            name,
            'note.txt',
          ],
          { cwd: folder, env: { DOCKER_CONFIG: folder, HOME: folder } },
        );
      };
      const ran = await Promise.all([
        ...keys.map((key) => cosignSignBundle(name, key)),
        ...Array.from({ length: ATTACHMENTS }, (_, n) => attach(n)),
      ]);
      expect(ran.filter((one) => one.code !== 0)).toEqual([]);

      const index = await fetch(`${gate.url}/v2/team/app/manifests/${fallbackTag(image.digest)}`);
      const { manifests } = (await index.json()) as { manifests: { artifactType?: string }[] };
      expect(manifests).toHaveLength(BUNDLES + ATTACHMENTS);
      const lost: string[] = [];
      for (const key of keys) {
        const verified = await cosignVerifyBundle(name, key.publicKey);
        if (verified.code !== 0) lost.push(verified.stderr);
      }
      expect(lost).toEqual([]);
    }, 240_000);
  },
);
