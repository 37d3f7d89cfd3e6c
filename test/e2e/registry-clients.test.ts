import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { call } from '../support/http-call.ts';
import { clientPath } from '../support/clients.ts';
import { acceptAnything } from '../support/gate-clients/containers-image.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import { buildImage, buildIndex, writeOciLayout } from '../support/image.ts';
import type { RunningRegistry } from '../support/registry.ts';
import { startRegistry } from '../support/registry.ts';
import { run } from '../support/run.ts';
import { suiteScope } from '../support/scope.ts';
import { tarLayer } from '../support/tar.ts';

describeWithClients('skopeo and the embedded registry', ['skopeo'], () => {
  const scope = suiteScope();
  const index = buildIndex([
    buildImage({ layers: [tarLayer({ a: 'x'.repeat(300_000) }), tarLayer({ b: 'amd64' })] }),
    buildImage({ layers: [tarLayer({ b: 'arm64' })], config: { architecture: 'arm64' } }),
  ]);
  let registry: RunningRegistry;
  let layout: string;

  beforeAll(async () => {
    registry = scope.own(await startRegistry(join(scope.folder(), 'registry')));
    layout = join(scope.folder(), 'layout');
    mkdirSync(layout);
    writeOciLayout(layout, index, 'v1');
  });

  const skopeoRun = (...args: string[]) => {
    const folder = scope.folder();
    const env = { REGISTRY_AUTH_FILE: join(folder, 'auth.json') };
    return run(clientPath('skopeo'), ['--policy', acceptAnything(folder), ...args], { env });
  };
  const skopeo = async (...args: string[]) => {
    const ran = await skopeoRun(...args);
    expect([ran.code, ran.output]).toEqual([0, ran.output]);
    return ran;
  };
  const remote = (name: string): string => `docker://${registry.host}/${name}`;
  const PLAIN = ['--src-tls-verify=false', '--dest-tls-verify=false'];

  it('pushes an index with its images and pulls it back byte for byte', async () => {
    const source = `oci:${layout}:v1`;
    const exact = ['--all', '--preserve-digests', ...PLAIN];
    await skopeo('copy', ...exact, source, remote('team/app:v1'));
    const manifest = await call(registry.url, 'GET', '/v2/team/app/manifests/v1');
    expect(manifest.body).toEqual(index.manifest);
    const back = join(scope.folder(), 'back');
    await skopeo('copy', ...exact, remote(`team/app@${index.digest}`), `oci:${back}:v1`);
    const raw = await skopeo('inspect', '--raw', `oci:${back}:v1`);
    expect(raw.stdout).toBe(index.manifest.toString());
  });

  it('copies from one repository to another', async () => {
    await skopeo('copy', '--all', ...PLAIN, remote('team/app:v1'), remote('other/copy:v1'));
    const [image] = index.children;
    for (const digest of image?.blobs.keys() ?? []) {
      const head = await call(registry.url, 'HEAD', `/v2/other/copy/blobs/${digest}`);
      expect(head.status).toBe(200);
    }
  });

  it('pushes what it has compressed itself, and as Docker schema 2', async () => {
    await skopeo('copy', '--format=v2s2', ...PLAIN, `oci:${layout}:v1`, remote('team/docker:v1'));
    const config = await skopeo(
      'inspect',
      '--config',
      '--tls-verify=false',
      remote('team/docker:v1'),
    );
    expect(JSON.parse(config.stdout)).toMatchObject({ os: 'linux' });
  });

  it('lists tags and inspects', async () => {
    const tags = await skopeo('list-tags', '--tls-verify=false', remote('team/app'));
    expect(JSON.parse(tags.stdout)).toMatchObject({ Tags: ['v1'] });
    const seen = await skopeo('inspect', '--tls-verify=false', remote('team/app:v1'));
    expect(JSON.parse(seen.stdout)).toMatchObject({ Digest: index.digest });
  });

  it('deletes, and then is told that nothing is there', async () => {
    await skopeo('delete', '--tls-verify=false', remote('other/copy:v1'));
    const gone = await skopeoRun('inspect', '--tls-verify=false', remote('other/copy:v1'));
    expect(gone.code).not.toBe(0);
    expect(gone.output).toContain('manifest unknown');
  });

  it('did all this without a failure of the registry', () => {
    expect(registry.errors).toEqual([]);
  });
});
