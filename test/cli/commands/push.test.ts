import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { dockerSaveEntries, layoutEntries, writeArchive } from '../../support/archive.ts';
import { startChild, waitFor } from '../../support/child.ts';
import type { Service, Site } from '../../support/countersign.ts';
import { createSite, ENTRY, startService } from '../../support/countersign.ts';
import { startCuttingProxy } from '../../support/cutting-proxy.ts';
import { call } from '../../support/http-call.ts';
import { buildImage, buildIndex, writeOciLayout } from '../../support/image.ts';
import { oneSigner } from '../../support/one-signer.ts';
import type { RunningRegistry } from '../../support/registry.ts';
import { startRegistry } from '../../support/registry.ts';
import { suiteScope } from '../../support/scope.ts';
import { tarLayer } from '../../support/tar.ts';
import { startWireServer } from '../../support/wire-server.ts';

const INDEX = buildIndex([buildImage(), buildImage({ layers: [tarLayer({ a: 'arm64' })] })]);
const policy = (push: 'reject' | 'hold'): string =>
  oneSigner({ images: '**', name: 'production', push });

describe('countersign push', () => {
  const scope = suiteScope();
  let site: Site;
  let registry: RunningRegistry;
  let layout: string;

  beforeAll(async () => {
    site = createSite(join(scope.folder(), 'site'));
    await site.key('release-bot');
    registry = scope.own(await startRegistry(join(scope.folder(), 'registry')));
    layout = join(scope.folder(), 'layout');
    mkdirSync(layout);
    writeOciLayout(layout, INDEX, 'v1');
  });
  const tagOf = (digest: string): string => `${digest.replace(':', '-')}.sig`;
  const status = async (path: string): Promise<number> =>
    (await call(registry.url, 'HEAD', `/v2/${path}`)).status;

  it('pushes an index, signs it with all its children, and prints what it is', async () => {
    const name = `${registry.host}/team/app:1.2`;
    const pushed = await site.cli(['push', `oci:${layout}:v1`, name, '-a', 'commit=abc']);
    expect(pushed).toMatchObject({ code: 0, stdout: `${name}@${INDEX.digest}\n` });
    expect(pushed.stderr).toMatch(/uploaded/);
    const manifest = await call(registry.url, 'GET', '/v2/team/app/manifests/1.2');
    expect(manifest.body).toEqual(INDEX.manifest);
    for (const { digest } of [INDEX, ...INDEX.children])
      expect(await status(`team/app/manifests/${tagOf(digest)}`)).toBe(200);
  });

  it('sends and signs nothing twice, and says so in JSON', async () => {
    const name = `${registry.host}/team/twice:1`;
    await site.cli(['push', `oci:${layout}`, name]);
    const again = await site.cli(['push', `oci:${layout}`, name]);
    expect(again).toMatchObject({ code: 0, stderr: expect.not.stringContaining('uploaded') });
    const json = await site.cli(['push', `oci:${layout}`, name, '--output', 'json']);
    expect(JSON.parse(json.stdout)).toMatchObject({
      image: `${registry.host}/team/twice@${INDEX.digest}`,
      tag: '1',
      digest: INDEX.digest,
      signed: Array.from({ length: 3 }, () => ({ format: 'cosign', written: false })),
      held: false,
    });
  });

  it.each([
    ['--disable-content-trust', {}, ['--disable-content-trust']],
    ['DOCKER_CONTENT_TRUST=0', { DOCKER_CONTENT_TRUST: '0' }, []],
    ['DOCKER_CONTENT_TRUST=false', { DOCKER_CONTENT_TRUST: 'false' }, []],
  ])('does not sign under %s, with a warning', async (how, env, flags) => {
    const path = `team/unsigned-${how.replaceAll(/[^a-z0-9]/g, '')}`;
    const pushed = await site.cli(
      ['push', `oci:${layout}`, `${registry.host}/${path}:1`, ...flags],
      { env },
    );
    expect(pushed).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(new RegExp(`warning: .*without a signature.*${how}`)),
    });
    expect(await status(`${path}/manifests/1`)).toBe(200);
    expect(await status(`${path}/manifests/${tagOf(INDEX.digest)}`)).toBe(404);
  });

  it.each([
    ['an empty DOCKER_CONTENT_TRUST', { DOCKER_CONTENT_TRUST: '' }],
    ['DOCKER_CONTENT_TRUST=1', { DOCKER_CONTENT_TRUST: '1' }],
  ])('signs under %s', async (_how, env) => {
    const name = `${registry.host}/team/signed:1`;
    const pushed = await site.cli(['push', `oci:${layout}`, name], { env });
    expect(pushed).toMatchObject({ code: 0, stderr: expect.stringContaining('signed by') });
  });

  it('asks for no passphrase where the source is not there', async () => {
    const pushed = await site.cli(['push', 'oci:nowhere', `${registry.host}/team/missing:1`], {
      env: {
        DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: '',
        DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: '',
      },
    });
    expect(pushed).toMatchObject({ code: 2, stderr: expect.stringContaining('nowhere') });
    expect(pushed.stderr).not.toContain('passphrase');
  });

  it('pushes nothing where the key cannot be opened', async () => {
    const name = `${registry.host}/team/locked:1`;
    const pushed = await site.cli(['push', `oci:${layout}`, name], {
      env: {
        DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: 'wrong passphrase',
        DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: 'wrong passphrase',
      },
    });
    expect(pushed).toMatchObject({ code: 1, stderr: expect.stringMatching(/passphrase/) });
    expect(await status(`team/locked/manifests/${INDEX.digest}`)).toBe(404);
  });

  it.each([
    ['a source of an unknown kind', ['docker:x', 'IMAGE'], 2],
    ['a source that is not there', ['oci:nowhere', 'IMAGE'], 2],
    ['an image without a name', ['oci:LAYOUT', 'HOST/'], 2],
    ['another digest than the source has', ['oci:LAYOUT', `HOST/a@sha256:${'0'.repeat(64)}`], 2],
    ['no such number of jobs', ['oci:LAYOUT', 'IMAGE', '--jobs', '0'], 2],
    ['no such format', ['oci:LAYOUT', 'IMAGE', '--format', 'wax'], 2],
    ['an annotation without a value', ['oci:LAYOUT', 'IMAGE', '-a', 'commit'], 2],
    ['a registry that is not there', ['oci:LAYOUT', '127.0.0.1:1/a:1'], 3],
  ])('exits with its status for %s', async (_what, args, code) => {
    const filled = args.map((arg) =>
      arg
        .replace('LAYOUT', layout)
        .replace('IMAGE', `${registry.host}/team/none:1`)
        .replace('HOST', registry.host),
    );
    const pushed = await site.cli(['push', ...filled]);
    expect(pushed).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(/^error: /m) });
    expect(await status('team/none/manifests/1')).toBe(404);
  });

  it('continues an upload that the network broke', async () => {
    const image = buildImage({ layers: [randomBytes(6_000_000)] });
    const file = await writeArchive(join(scope.folder(), 'large.tar'), layoutEntries(image, '1'));
    const proxy = scope.own(await startCuttingProxy(registry.host, { after: 2_000_000, times: 2 }));
    const name = `${proxy.host}/team/large:1`;
    expect(await site.cli(['push', `oci-archive:${file}`, name])).toMatchObject({ code: 0 });
    expect(proxy.cuts()).toBe(2);
    expect(proxy.heads()).toMatch(/content-range: [1-9][0-9]*-/i);
    const [layer] = [...image.blobs.keys()].slice(1);
    const stored = await call(registry.url, 'GET', `/v2/team/large/blobs/${layer}`);
    expect(stored.body).toEqual(image.blobs.get(layer as NonNullable<typeof layer>));
  });

  it('ends cleanly at a signal: no tag, nothing left behind', async () => {
    const temporary = join(scope.folder(), 'tmp');
    mkdirSync(temporary);
    const save = dockerSaveEntries([{ tags: ['a:1'], layers: [tarLayer({ a: 'a' })] }]);
    const file = await writeArchive(join(scope.folder(), 'saved.tar'), save);
    const stalled = scope.own(await startWireServer(() => {}));
    const child = startChild(
      process.execPath,
      [ENTRY, 'push', '--disable-content-trust', `docker-archive:${file}`, `${stalled.host}/a:1`],
      { env: { ...site.env, TMPDIR: temporary } },
    );
    await waitFor(child, 'push', () => (stalled.seen.length > 0 ? true : undefined));
    // Node keeps its compile cache there too.
    const ours = (): string[] => readdirSync(temporary).filter((f) => f.startsWith('countersign'));
    expect(ours()).toHaveLength(1);
    // A process that a signal ended has no exit status of its own.
    expect(await child.stop()).toBe(-1);
    expect(ours()).toEqual([]);
    expect(stalled.seen.every(({ line }) => line.startsWith('HEAD'))).toBe(true);
    expect(existsSync(file)).toBe(true);
  });

  describe('through a gate', () => {
    const serve = async (
      push: 'reject' | 'hold',
      folder: string = push,
    ): Promise<{ gated: Site; service: Service }> => {
      const gated = createSite(join(scope.folder(), folder));
      await gated.key('release-bot');
      gated.policy(policy(push));
      const service = scope.own(await startService(gated, { name: push }));
      return { gated, service };
    };

    it('that rejects: signed in one step, unsigned refused with the reason', async () => {
      const { gated, service } = await serve('reject');
      const name = `${service.host}/prod/app:1`;
      const refused = await gated.cli(['push', `oci:${layout}`, name, '--disable-content-trust']);
      expect(refused).toMatchObject({
        code: 1,
        stdout: '',
        stderr: expect.stringMatching(/not signed: policy production needs release-bot/),
      });
      expect(await gated.cli(['push', `oci:${layout}`, name])).toMatchObject({ code: 0 });
      const pulled = await call(service.url, 'GET', '/v2/prod/app/manifests/1');
      expect(pulled.body).toEqual(INDEX.manifest);
    });

    it('that holds: unsigned is said to be held, and how to sign it works', async () => {
      const { gated, service } = await serve('hold');
      const name = `${service.host}/prod/app:1`;
      const held = await gated.cli(['push', `oci:${layout}`, name, '--disable-content-trust']);
      expect(held).toMatchObject({
        code: 0,
        stderr: expect.stringMatching(
          /warning: held: .*policy production needs release-bot; found none/,
        ),
      });
      const advice = /countersign (sign \S+)$/m.exec(held.stderr)?.[1]?.split(' ') ?? [];
      // With its tag, which a signed map (dct) needs.
      expect(advice).toEqual(['sign', `${name}@${INDEX.digest}`]);
      expect((await call(service.url, 'GET', '/v2/prod/app/manifests/1')).status).not.toBe(200);
      expect(await gated.cli(advice)).toMatchObject({ code: 0 });
      const pulled = await call(service.url, 'GET', '/v2/prod/app/manifests/1');
      expect(pulled.body).toEqual(INDEX.manifest);
    });

    it('asks for the passphrases of new keys before anything is sent', async () => {
      const { gated, service } = await serve('hold', 'hold-short');
      const name = `localhost:${service.host.split(':')[1]}/prod/short:1`;
      const env = { DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: 'short' };
      const pushed = await gated.cli(['push', `oci:${layout}`, name], { env });
      expect(pushed).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('at least 8 characters for root key'),
      });
      const path = `/v2/prod/short/manifests/${INDEX.digest}`;
      expect((await call(service.url, 'GET', path)).status).toBe(404);
    });

    it('that holds: signed is not held', async () => {
      const { gated, service } = await serve('hold', 'hold-signed');
      const name = `${service.host}/prod/other:1`;
      const pushed = await gated.cli(['push', `oci:${layout}`, name, '--output', 'json']);
      expect(JSON.parse(pushed.stdout)).toMatchObject({ held: false, digest: INDEX.digest });
    });
  });
});
