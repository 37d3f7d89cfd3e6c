import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { clientPath } from '../support/clients.ts';
import type { Site } from '../support/countersign.ts';
import { createSite } from '../support/countersign.ts';
import { startCuttingProxy } from '../support/cutting-proxy.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import type { DockerRegistry } from '../support/docker-registry.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import type { Dockerd } from '../support/dockerd.ts';
import { startDockerd } from '../support/dockerd.ts';
import { acceptAnything } from '../support/gate-clients/containers-image.ts';
import { buildImage, buildIndex, writeOciLayout } from '../support/image.ts';
import type { Ran } from '../support/run.ts';
import { mustRun } from '../support/run.ts';
import { suiteScope } from '../support/scope.ts';
import { tarLayer } from '../support/tar.ts';

const INDEX = buildIndex([
  buildImage({ layers: [tarLayer({ a: 'x'.repeat(300_000) }), tarLayer({ b: 'amd64' })] }),
  buildImage({ layers: [tarLayer({ b: 'arm64' })], config: { architecture: 'arm64' } }),
]);

describeWithClients('push to docker-registry', ['docker-registry', 'skopeo'], () => {
  const scope = suiteScope();
  let site: Site;
  let registry: DockerRegistry;
  let layout: string;

  beforeAll(async () => {
    site = createSite(join(scope.folder(), 'site'));
    await site.key('release-bot');
    registry = scope.own(await startDockerRegistry(join(scope.folder(), 'registry')));
    layout = join(scope.folder(), 'layout');
    mkdirSync(layout);
    writeOciLayout(layout, INDEX, 'v1');
  });
  const skopeo = (...args: string[]): Promise<Ran> =>
    mustRun(clientPath('skopeo'), ['--policy', acceptAnything(scope.folder()), ...args]);
  const remote = (path: string): string => `docker://${registry.host}/${path}`;
  const raw = async (path: string): Promise<string> =>
    (await skopeo('inspect', '--raw', '--tls-verify=false', remote(path))).stdout;
  const push = async (source: string, path: string): Promise<string> => {
    const pushed = await site.cli(['push', source, `${registry.host}/${path}`]);
    expect([pushed.code, pushed.stderr]).toEqual([0, pushed.stderr]);
    return pushed.stdout.trim().split('@')[1] ?? '';
  };

  it('gives skopeo the layout byte for byte', async () => {
    expect(await push(`oci:${layout}:v1`, 'team/layout:1')).toBe(INDEX.digest);
    expect(await raw('team/layout:1')).toBe(INDEX.manifest.toString());
    const back = `oci:${join(scope.folder(), 'back')}:v1`;
    // skopeo hashes every layer and config that it copies.
    await skopeo(
      'copy',
      '--all',
      '--preserve-digests',
      '--src-tls-verify=false',
      remote('team/layout:1'),
      back,
    );
    expect((await skopeo('inspect', '--raw', back)).stdout).toBe(INDEX.manifest.toString());
  });

  it('takes the archives that skopeo writes', async () => {
    const oci = `oci-archive:${join(scope.folder(), 'image.tar')}:v1`;
    await skopeo('copy', '--all', '--preserve-digests', `oci:${layout}:v1`, oci);
    expect(await push(oci, 'team/archive:1')).toBe(INDEX.digest);

    const saved = `docker-archive:${join(scope.folder(), 'saved.tar')}`;
    await skopeo(
      'copy',
      '--override-arch=amd64',
      '--override-os=linux',
      `oci:${layout}:v1`,
      `${saved}:app:1`,
    );
    const first = await push(saved, 'team/saved:1');
    expect(await push(`${saved}:app:1`, 'team/saved:2')).toBe(first);
    const back = `dir:${join(scope.folder(), 'saved-back')}`;
    await skopeo('copy', '--src-tls-verify=false', remote(`team/saved@${first}`), back);
    const config = await skopeo(
      'inspect',
      '--config',
      '--tls-verify=false',
      remote('team/saved:1'),
    );
    expect(JSON.parse(config.stdout)).toMatchObject({ architecture: 'amd64' });
  });

  it('sends nothing twice', async () => {
    await push(`oci:${layout}:v1`, 'team/twice:1');
    const again = await site.cli(['push', `oci:${layout}:v1`, `${registry.host}/team/twice:2`]);
    expect(again.stderr).toContain('already there');
    expect(again.stderr).not.toContain('uploaded');
    const mounted = await site.cli([
      'push',
      `oci:${layout}:v1`,
      `${registry.host}/team/mounted:1`,
      '--mount-from',
      'team/twice',
    ]);
    expect(mounted).toMatchObject({ code: 0, stderr: expect.stringContaining('mounted') });
    expect(mounted.stderr).not.toContain('uploaded');
    expect(await raw('team/mounted:1')).toBe(INDEX.manifest.toString());
  });

  it('comes through a network that breaks, although this registry forgets the session', async () => {
    const image = buildImage({ layers: [randomBytes(6_000_000)] });
    const large = join(scope.folder(), 'large');
    mkdirSync(large);
    writeOciLayout(large, image, '1');
    const proxy = scope.own(await startCuttingProxy(registry.host, { after: 2_000_000, times: 2 }));
    const pushed = await site.cli(['push', `oci:${large}`, `${proxy.host}/team/large:1`]);
    expect(pushed).toMatchObject({ code: 0 });
    expect(proxy.cuts()).toBe(2);
    const back = `dir:${join(scope.folder(), 'large-back')}`;
    await skopeo('copy', '--src-tls-verify=false', remote(`team/large@${image.digest}`), back);
  });

  describe('with users', () => {
    it('logs in as docker does, and says how when it cannot', async () => {
      const guarded = scope.own(
        await startDockerRegistry(join(scope.folder(), 'guarded'), { users: { alice: 'secret' } }),
      );
      const args = ['push', `oci:${layout}`, `${guarded.host}/team/app:1`];
      const advice = expect.stringContaining(`docker login ${guarded.host}`);
      expect(await site.cli(args)).toMatchObject({ code: 1, stderr: advice });
      site.login(guarded.host, 'alice', 'wrong');
      expect(await site.cli(args)).toMatchObject({ code: 1, stderr: advice });
      site.login(guarded.host, 'alice', 'secret');
      expect(await site.cli(args)).toMatchObject({ code: 0 });
    });
  });
});

describeWithClients('push of what umoci makes', ['docker-registry', 'umoci', 'skopeo'], () => {
  const scope = suiteScope();

  it('gives skopeo the same manifest', async () => {
    const site = createSite(join(scope.folder(), 'site'));
    const registry = scope.own(await startDockerRegistry(join(scope.folder(), 'registry')));
    const layout = join(scope.folder(), 'layout');
    await mustRun(clientPath('umoci'), ['init', '--layout', layout]);
    await mustRun(clientPath('umoci'), ['new', '--image', `${layout}:one`]);
    await mustRun(clientPath('umoci'), ['new', '--image', `${layout}:two`]);
    await mustRun(clientPath('umoci'), ['config', '--image', `${layout}:two`, '--author', 'me']);
    const name = `${registry.host}/team/umoci:1`;
    const pushed = await site.cli(['push', '--disable-content-trust', `oci:${layout}:two`, name]);
    expect(pushed).toMatchObject({ code: 0 });
    const skopeo = (image: string): Promise<Ran> =>
      mustRun(clientPath('skopeo'), ['inspect', '--raw', '--tls-verify=false', image]);
    expect((await skopeo(`docker://${name}`)).stdout).toBe(
      (await skopeo(`oci:${layout}:two`)).stdout,
    );
  });
});

describeWithClients(
  'push from a docker engine',
  ['docker-registry', 'docker', 'dockerd', 'busybox', 'skopeo'],
  () => {
    const scope = suiteScope();
    let site: Site;
    let engine: Dockerd;
    let registry: DockerRegistry;

    beforeAll(async () => {
      site = createSite(join(scope.folder(), 'site'));
      await site.key('release-bot');
      engine = scope.own(await startDockerd(join(scope.folder(), 'docker')));
      registry = scope.own(await startDockerRegistry(join(scope.folder(), 'registry')));
      await engine.makeImage('app:1', 'hello from the engine');
    });

    it('pushes the image, signed, which docker pulls and runs as the same image', async () => {
      const name = `${registry.host}/team/engine:1`;
      const env = { DOCKER_HOST: `unix://${join(scope.folder(), 'docker', 'docker.sock')}` };
      const pushed = await site.cli(['push', 'docker-daemon:app:1', name], { env });
      expect([pushed.code, pushed.stderr]).toEqual([0, pushed.stderr]);
      const id = async (image: string): Promise<string> =>
        (await engine.docker(['image', 'inspect', '--format', '{{.Id}}', image])).stdout.trim();
      const before = await id('app:1');
      expect(await engine.docker(['rmi', 'app:1'])).toMatchObject({ code: 0 });
      expect(await engine.docker(['pull', name])).toMatchObject({ code: 0 });
      expect(await id(name)).toBe(before);
      const missing = await site.cli(['push', 'docker-daemon:nothing:1', name], { env });
      expect(missing).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/No such image|does not/i),
      });
    });

    it('takes what docker saves', async () => {
      await engine.makeImage('saved:1', 'saved');
      await engine.makeImage('saved:2', 'saved again');
      const file = join(scope.folder(), 'saved.tar');
      expect(await engine.docker(['save', '-o', file, 'saved:1', 'saved:2'])).toMatchObject({
        code: 0,
      });
      const name = `${registry.host}/team/saved:2`;
      const pushed = await site.cli(['push', `docker-archive:${file}:saved:2`, name]);
      expect([pushed.code, pushed.stderr]).toEqual([0, pushed.stderr]);
      expect(await site.cli(['push', `docker-archive:${file}`, name])).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/saved:1.*saved:2|saved:2.*saved:1/),
      });
    });
  },
);
