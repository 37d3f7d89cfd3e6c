import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import type { Service, Site } from '../support/countersign.ts';
import { createSite, startService } from '../support/countersign.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import type { DockerRegistry } from '../support/docker-registry.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { buildImage, buildIndex, pushImage } from '../support/image.ts';
import { oneSigner } from '../support/one-signer.ts';
import { suiteScope } from '../support/scope.ts';

const REPOSITORIES = ['team/a', 'team/b', 'team/c'];
// More than the registry's own page of a catalog or a tag list.
const TAGS = 120;

// docker-registry 2.8 takes no notice of `n` and `last` in a tag list and answers it whole.
describeWithClients('scan of docker-registry', ['docker-registry'], () => {
  const scope = suiteScope();
  let site: Site;
  let registry: DockerRegistry;
  let gate: Service;
  const [one, two] = ['one', 'two'].map((note) => buildImage({ annotations: { note } })) as [
    ReturnType<typeof buildImage>,
    ReturnType<typeof buildImage>,
  ];
  const index = buildIndex([two]);
  const tagAgain = async (path: string, tag: string): Promise<void> => {
    const answer = await fetch(`${registry.url}/v2/${path}/manifests/${tag}`, {
      method: 'PUT',
      headers: { 'content-type': one.mediaType },
      body: new Uint8Array(one.manifest),
    });
    await answer.arrayBuffer();
    expect(answer.status).toBe(201);
  };
  beforeAll(async () => {
    site = createSite(join(scope.folder(), 'site'));
    await site.key('release-bot');
    site.policy(oneSigner());
    registry = scope.own(await startDockerRegistry(join(scope.folder(), 'registry')));
    for (const path of REPOSITORIES) {
      await pushImage(registry.url, path, one, 'first');
      await pushImage(registry.url, path, index, 'all');
      for (let n = 0; n < TAGS; n++) await tagAgain(path, `v${n}`);
    }
    gate = scope.own(await startService(site, { upstream: registry.url }));
  });

  it('finds every tag, signs what was reviewed, and has nothing to say afterwards', async () => {
    const file = join(site.folder, 'review.txt');
    const total = REPOSITORIES.length * (TAGS + 2);
    const before = await site.cli(['scan', gate.host, '--write', file]);
    expect(before.code).toBe(1);
    expect(before.stdout).toContain(
      `${total} images in 3 repositories: 0 would be pulled, ${total} would be refused`,
    );
    expect(before.stderr).toMatch(/^scanned 100 of 366: 100 would be refused$/m);
    expect(
      readFileSync(file)
        .toString()
        .split('\n')
        .filter((line) => /^[^#]/.test(line)).length,
    ).toBe(total);
    const signed = await site.cli(['scan', '--sign', file, '--key', 'release-bot']);
    expect(signed.code).toBe(0);
    // One signature for the image under 121 tags, one for the index; of each repository.
    expect(signed.stdout).toContain(`6 signed, ${total - 6} signed before`);
    const after = await site.cli(['scan', gate.host]);
    expect(after).toMatchObject({
      code: 0,
      stdout: `${total} images in 3 repositories: ${total} would be pulled, 0 would be refused\n`,
    });
  });

  it('judges offline at the registry itself, by the names that it has there', async () => {
    const offline = ['scan', '--offline', '--policies', site.policies, `${registry.host}/team/a`];
    const ran = await site.cli(offline);
    // Signed under the gate's name, which is not this one.
    expect(ran.stdout).toMatch(/^122 images in 1 repository: 0 would be pulled, 122 would/m);
  });
});
