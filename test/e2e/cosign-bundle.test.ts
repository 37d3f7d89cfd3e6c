import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { CosignKey } from '../support/cosign.ts';
import {
  cosignAttestBundle,
  cosignSign,
  cosignSignBundle,
  cosignVerifyBundle,
  generateCosignKey,
} from '../support/cosign.ts';
import type { Service, Site } from '../support/countersign.ts';
import { createSite, startService } from '../support/countersign.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import type { DockerRegistry } from '../support/docker-registry.ts';
import { startDockerRegistry, writeHtpasswd } from '../support/docker-registry.ts';
import type { Backend } from '../support/guarded.ts';
import { BACKENDS } from '../support/guarded.ts';
import { call } from '../support/http-call.ts';
import type { TestImage } from '../support/image.ts';
import { buildImage, pushImage } from '../support/image.ts';
import { oneSigner } from '../support/one-signer.ts';
import { suiteScope } from '../support/scope.ts';
import { tarLayer } from '../support/tar.ts';

const NAME = 'dev.countersign.reference';
const image = (content: string): TestImage => buildImage({ layers: [tarLayer({ content })] });

const policy = (push: 'allow' | 'reject' | 'hold'): string =>
  oneSigner({ push, authority: 'pipeline' });

interface Shown {
  readonly decision: string;
  readonly reason: { readonly code: string; readonly message: string };
  readonly findings: readonly { readonly status: string; readonly reason: string }[];
}

describeWithClients(
  'bundles that cosign 3 writes by default',
  ['docker-registry', 'cosign-2', 'cosign-3', 'htpasswd'],
  () => {
    const scope = suiteScope();
    let site: Site;
    let pipeline: CosignKey;
    let stranger: CosignKey;

    beforeAll(async () => {
      site = createSite(join(scope.folder(), 'site'));
      pipeline = await generateCosignKey('cosign-3', join(scope.folder(), 'pipeline'));
      stranger = await generateCosignKey('cosign-3', join(scope.folder(), 'stranger'));
      const file = join(site.policies, 'keys', 'pipeline.pub');
      writeFileSync(file, readFileSync(pipeline.publicKey));
      site.policy(policy('hold'));
    });

    /** What `countersign verify` says, by policies and the registry's evidence alone or as the gate decides. */
    async function verify(
      name: string,
      ...more: string[]
    ): Promise<{ code: number; shown: Shown }> {
      const { code, stdout } = await site.cli(['--output', 'json', 'verify', name, ...more]);
      const { images } = JSON.parse(stdout) as { images: [{ decision: Shown }] };
      return { code, shown: images[0].decision };
    }
    const offline = (name: string): ReturnType<typeof verify> =>
      verify(name, '--offline', '--policies', site.policies);

    describe('in docker-registry, which has no referrers API', () => {
      let registry: DockerRegistry;
      let serial = 0;

      beforeAll(async () => {
        registry = scope.own(await startDockerRegistry(join(scope.folder(), 'registry')));
      });

      async function push(): Promise<{ name: string; pinned: string }> {
        const path = `team/app${serial++}`;
        const digest = await pushImage(registry.url, path, image(path), '1');
        const repository = `${registry.host}/${path}`;
        return { name: `${repository}:1`, pinned: `${repository}@${digest}` };
      }

      it('count where the signer named the repository, by its key only', async () => {
        const { name, pinned } = await push();
        const signed = await cosignSignBundle(pinned, pipeline, { [NAME]: name, build: '7' });
        expect(signed).toMatchObject({ code: 0 });
        expect(await cosignVerifyBundle(pinned, pipeline.publicKey)).toMatchObject({ code: 0 });
        expect(await offline(name)).toMatchObject({
          code: 0,
          shown: { decision: 'allow', findings: [{ status: 'valid' }] },
        });
        const inspected = await site.cli(['inspect', name, '--key', pipeline.publicKey]);
        expect(inspected).toMatchObject({ code: 0 });
        expect(inspected.stdout).toContain(`cosign as ${name}`);
        // The list of referrers stands under a tag, and is nobody's image.
        const all = await site.cli(['inspect', name.slice(0, -2), '--key', pipeline.publicKey]);
        expect(all).toMatchObject({ code: 0 });
        expect(all.stdout).not.toContain('sha256-');
        const other = await push();
        await cosignSignBundle(other.pinned, stranger, { [NAME]: other.name });
        expect(await offline(other.name)).toMatchObject({ code: 1, shown: { decision: 'deny' } });
      });

      it('count for no other repository, and for none where they name none, which says what to add', async () => {
        const { name, pinned } = await push();
        expect(await cosignSignBundle(pinned, pipeline)).toMatchObject({ code: 0 });
        expect(await cosignVerifyBundle(pinned, pipeline.publicKey)).toMatchObject({ code: 0 });
        const unnamed = await offline(name);
        expect(unnamed).toMatchObject({ code: 1, shown: { reason: { code: 'NOT_TRUSTED' } } });
        expect(unnamed.shown.reason.message).toContain(`no name: add -a ${NAME}=IMAGE`);
        expect(unnamed.shown.findings[0]?.reason).toContain(`sign with -a ${NAME}=HOST/NAME:TAG`);
        const text = await site.cli(['inspect', name, '--key', pipeline.publicKey]);
        expect(text.stdout).toContain('names no repository');
        await cosignSignBundle(pinned, pipeline, { [NAME]: `${registry.host}/team/other:1` });
        const elsewhere = await offline(name);
        expect(elsewhere).toMatchObject({ code: 1 });
        // Two signatures by one key do not count, each for a reason of its own: the line names one.
        expect(elsewhere.shown.reason.message).toMatch(/other name|no name/);
        expect(JSON.stringify(elsewhere.shown.findings)).toContain(`${registry.host}/team/other`);
        await cosignSignBundle(pinned, pipeline, { [NAME]: name });
        expect(await offline(name)).toMatchObject({ code: 0 });
      });

      it('are not hidden by classic signatures, nor hide them', async () => {
        const both: [CosignKey, CosignKey][] = [
          [pipeline, stranger],
          [stranger, pipeline],
        ];
        for (const [classic, bundled] of both) {
          const { name, pinned } = await push();
          expect(await cosignSign('cosign-2', pinned, classic)).toMatchObject({ code: 0 });
          expect(await cosignSignBundle(pinned, bundled, { [NAME]: name })).toMatchObject({
            code: 0,
          });
          expect(await offline(name)).toMatchObject({ code: 0, shown: { decision: 'allow' } });
        }
      });

      it('are no attestations, which cosign 3 itself takes for signatures (T-09)', async () => {
        const { name, pinned } = await push();
        const predicate = join(scope.folder(), 'predicate.json');
        writeFileSync(predicate, '{"buildDefinition":{},"runDetails":{}}');
        const attested = await cosignAttestBundle(pinned, pipeline, 'slsaprovenance1', predicate);
        expect(attested).toMatchObject({ code: 0 });
        expect(await cosignVerifyBundle(pinned, pipeline.publicKey)).toMatchObject({ code: 0 });
        const { code, shown } = await offline(name);
        expect(code).toBe(1);
        expect(shown.reason.message).toContain('found none');
        expect(shown.findings[0]?.reason).toContain('1 attestation is no signature');
      });
    });

    describe.for(BACKENDS)('at a gate in front of %s', (backend: Backend) => {
      let gate: Service;

      beforeAll(async () => {
        const behind = join(scope.folder(), 'behind');
        const upstream =
          backend === 'embedded' ? backend : scope.own(await startDockerRegistry(behind)).url;
        const htpasswd = await writeHtpasswd(site.folder, { ci: 'ci password' });
        // Only an identity with push may read what is held, and who signs has to read it.
        const config = (host: string): string => `registries:
  - { host: "${host}", upstream: "${upstream}" }
identities:
  htpasswd: ${htpasswd}
access:
  - { repositories: ["${host}/team/**"], pull: [anonymous], push: [ci], admin: [ci] }
`;
        gate = scope.own(await startService(site, { config, name: backend }));
        site.login(gate.host, 'ci', 'ci password');
      });

      const pull = (path: string) => call(gate.url, 'GET', `/v2/${path}/manifests/1`);
      const signAtGate = (name: string, annotations: Readonly<Record<string, string>> = {}) => {
        const login = ['--registry-username', 'ci', '--registry-password', 'ci password'];
        return cosignSignBundle(name, pipeline, annotations, login);
      };

      it('release a held push that they name, and no other', async () => {
        const held = image(`held at ${backend}`);
        const authorization = `Basic ${btoa('ci:ci password')}`;
        await pushImage(gate.url, 'team/app', held, '1', { authorization });
        const pinned = `${gate.host}/team/app@${held.digest}`;
        expect(await signAtGate(pinned)).toMatchObject({ code: 0 });
        expect((await pull('team/app')).status).toBe(403);
        const unnamed = await verify(pinned);
        expect(unnamed).toMatchObject({ code: 1, shown: { decision: 'deny' } });
        expect(unnamed.shown.reason.message).toContain(`no name: add -a ${NAME}=IMAGE`);
        const name = `${gate.host}/team/app:1`;
        expect(await signAtGate(pinned, { [NAME]: name })).toMatchObject({
          code: 0,
        });
        expect((await pull('team/app')).status).toBe(200);
        expect(await cosignVerifyBundle(name, pipeline.publicKey)).toMatchObject({ code: 0 });
        expect(await verify(name)).toMatchObject({ code: 0, shown: { decision: 'allow' } });
        expect(await offline(name)).toMatchObject({ code: 0, shown: { decision: 'allow' } });
      });
    });
  },
);
