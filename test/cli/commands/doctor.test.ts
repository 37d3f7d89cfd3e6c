import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { examineProxies } from '../../../cli/commands/doctor/proxies.ts';
import { freePort } from '../../support/child.ts';
import type { Site } from '../../support/countersign.ts';
import { createSite, startService } from '../../support/countersign.ts';
import { buildImage, pushImage } from '../../support/image.ts';
import { oneSigner } from '../../support/one-signer.ts';
import { startRegistry } from '../../support/registry.ts';
import { suiteScope } from '../../support/scope.ts';

interface Check {
  readonly status: string;
  readonly subject: string;
  readonly found: string;
  readonly mend: string;
}

describe('countersign doctor', () => {
  const scope = suiteScope();
  let site: Site;
  let gate = '';
  /** The registry behind the gate, which this machine can reach; and one that nobody can. */
  let reachable = '';
  let away = '';
  beforeAll(async () => {
    site = createSite(join(scope.folder(), 'site'));
    await site.key('release-bot');
    site.policy(oneSigner());
    const upstream = scope.own(await startRegistry(join(scope.folder(), 'registry')));
    const service = scope.own(await startService(site, { upstream: upstream.url }));
    gate = service.host;
    reachable = upstream.host;
    away = `127.0.0.1:${await freePort()}`;
    await pushImage(upstream.url, 'team/app', buildImage({}), '1');
  });

  /** A host whose engines are configured by these files. */
  function host(files: Readonly<Record<string, string>>): string {
    const root = mkdtempSync(join(site.folder, 'host-'));
    for (const [name, text] of Object.entries(files)) {
      const path = join(root, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    }
    return root;
  }

  async function doctor(
    root: string,
    ...args: readonly string[]
  ): Promise<{ code: number; checks: readonly Check[]; at: (name: string) => Check | undefined }> {
    const ran = await site.cli(['--output', 'json', 'doctor', gate, '--root', root, ...args]);
    const { checks } = JSON.parse(ran.stdout) as { checks: readonly Check[] };
    return {
      code: ran.code,
      checks,
      at: (name) => checks.find((check) => check.subject.endsWith(name)),
    };
  }

  it('says that nothing goes round the gate where nothing does, and exits 0', async () => {
    const root = host({ 'etc/docker/daemon.json': '{}' });
    const ran = await site.cli(['doctor', gate, '--root', root, '--registry', away]);
    expect(ran.stdout).toContain(`ok       gate ${gate}: a Countersign answers`);
    const own = gate.replace('127.0.0.1', 'localhost');
    expect(ran.stdout).toContain(`gate ${gate}: is another name of ${own}: trust data`);
    expect(ran.stdout).toContain(`${away} cannot be reached from here (ECONNREFUSED)`);
    expect(ran.stdout).toContain(`Nothing leads round ${gate}.`);
    expect(ran.code).toBe(0);
  });

  it('finds a registry that can be reached directly', async () => {
    const { code, checks } = await doctor(host({}), '--registry', reachable);
    expect(checks.filter((check) => check.status === 'open')).toMatchObject([
      { subject: `connection to ${reachable}` },
    ]);
    expect(code).toBe(1);
  });

  it('asks the gate for an image that it has to refuse', async () => {
    const root = host({});
    const none = await doctor(root, '--registry', away, '--unsigned', `${gate}/team/app:none`);
    expect(none).toMatchObject({ code: 3 });
    const shut = await doctor(root, '--registry', away, '--unsigned', `${gate}/team/app:1`);
    expect(shut.at('team/app:1')).toMatchObject({ status: 'closed' });
    expect(shut.at('team/app:1')?.found).toContain('policy team needs release-bot');
    expect(shut.code).toBe(0);
  });

  it('finds a gate that serves what it should refuse', async () => {
    const signed = await site.cli(['sign', `${gate}/team/app:1`, '--key', 'release-bot']);
    expect(signed.code).toBe(0);
    const { code, at } = await doctor(
      host({}),
      '--registry',
      away,
      '--unsigned',
      `${gate}/team/app:1`,
    );
    expect(at('team/app:1')).toMatchObject({ status: 'open', found: 'it was served' });
    expect(at('team/app:1')?.mend).toContain(`countersign verify ${gate}/team/app:1`);
    expect(code).toBe(1);
  });

  describe('reads what engines are configured with', () => {
    it('docker: mirrors fall through to the registry itself', async () => {
      const daemon = JSON.stringify({ 'registry-mirrors': [`https://${gate}`, reachable] });
      const { at, code } = await doctor(
        host({ 'etc/docker/daemon.json': daemon }),
        '--registry',
        away,
      );
      expect(at('daemon.json')).toMatchObject({ status: 'open' });
      expect(at('daemon.json')?.mend).toContain(`${gate}/library/alpine`);
      expect(code).toBe(1);
    });

    const hosts = (server: string, more = ''): Readonly<Record<string, string>> => ({
      'etc/containerd/config.toml':
        'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = "/etc/certs"\n',
      [`etc/certs/${reachable}/hosts.toml`]: `server = "${server}"\n${more}`,
    });

    it('containerd: every host of a hosts.toml has to be the gate', async () => {
      const mirror = `[host."https://${gate}"]\n  capabilities = ["pull", "resolve"]\n`;
      const shut = await doctor(host(hosts(`https://${gate}`, mirror)), '--registry', reachable);
      expect(shut.at('hosts.toml')).toMatchObject({ status: 'closed' });
      // containerd 1.6 takes no notice of a server that no host stands beside.
      const alone = await doctor(host(hosts(`https://${gate}`)), '--registry', reachable);
      expect(alone.at('hosts.toml')).toMatchObject({ status: 'open' });
      const open = await doctor(
        host(hosts(`https://${reachable}`, mirror)),
        '--registry',
        reachable,
      );
      expect(open.at('hosts.toml')).toMatchObject({ status: 'open' });
      expect(open.at('hosts.toml')?.found).toContain(reachable);
    });

    it('containerd: without a hosts.toml the registry itself is asked', async () => {
      const files = hosts(`https://${gate}`);
      const config = 'etc/containerd/config.toml';
      const { at } = await doctor(host({ [config]: files[config] ?? '' }), '--registry', reachable);
      expect(at('hosts.toml')).toMatchObject({ status: 'open' });
    });

    it('containerd: the older mirrors end with the registry itself', async () => {
      const config = `[plugins."io.containerd.grpc.v1.cri".registry.mirrors."${reachable}"]\nendpoint = ["https://${gate}"]\n`;
      const { at } = await doctor(
        host({ 'etc/containerd/config.toml': config }),
        '--registry',
        away,
      );
      expect(at('config.toml')).toMatchObject({ status: 'open' });
    });

    it('a folder of settings that cannot be read is not taken for an empty one', async () => {
      for (const name of ['etc/containerd/certs.d', 'etc/containers/registries.conf.d']) {
        const root = host({});
        mkdirSync(dirname(join(root, name)), { recursive: true });
        // A link to itself: closed to root too.
        symlinkSync(join(root, name), join(root, name));
        const { at, code } = await doctor(root, '--registry', away);
        expect(at(name)).toMatchObject({ status: 'unknown' });
        expect(code).toBe(3);
      }
    });

    const registries = (text: string) => host({ 'etc/containers/registries.conf': text });
    const entry = (more: string) => `[[registry]]\nprefix = "${reachable}"\n${more}\n`;

    it.each([
      ['a location that is the gate', () => entry(`location = "${gate}"`), 'closed'],
      ['a blocked registry', () => entry('blocked = true'), 'closed'],
      [
        'a mirror before the registry itself',
        () => entry(`[[registry.mirror]]\nlocation = "${gate}"`),
        'open',
      ],
      ['nothing at all about it', () => 'unqualified-search-registries = ["docker.io"]', 'open'],
      [
        'a part of it that leads elsewhere',
        () =>
          `${entry(`location = "${gate}"`)}[[registry]]\nprefix = "${reachable}/team"\nlocation = "${reachable}/other"\n`,
        'open',
      ],
    ])('podman, buildah and skopeo: %s', async (_what, text, status) => {
      const { checks } = await doctor(registries(text()), '--registry', reachable);
      const own = checks.filter((check) => check.subject.includes('etc/containers'));
      const found = own.some((check) => check.status === 'open') ? 'open' : own[0]?.status;
      expect(found).toBe(status);
    });

    it('podman: a later file has the last word on a prefix', async () => {
      const root = host({
        'etc/containers/registries.conf': entry(`location = "${reachable}"`),
        'etc/containers/registries.conf.d/50-gate.conf': entry(`location = "${gate}"`),
      });
      const { at } = await doctor(root, '--registry', reachable);
      expect(at('50-gate.conf')).toMatchObject({ status: 'closed' });
      expect(at('registries.conf')).toBeUndefined();
    });

    it('takes no harm from a setting that leads to what cannot be reached', async () => {
      const { at, code } = await doctor(
        registries('unqualified-search-registries = []'),
        '--registry',
        away,
      );
      expect(at('registries.conf')).toMatchObject({ status: 'closed' });
      expect(code).toBe(0);
    });

    it('says which file it could not read, and exits 3', async () => {
      const root = host({ 'etc/docker/daemon.json': '{"a":1,"a":2}' });
      const { at, code } = await doctor(root, '--registry', away);
      expect(at('daemon.json')).toMatchObject({ status: 'unknown' });
      const broken = await doctor(registries('[[registry'), '--registry', away);
      expect(broken.at('registries.conf')).toMatchObject({ status: 'unknown' });
      expect(code).toBe(3);
    });
  });

  describe('does not take a proxy for a closed way', () => {
    const proxied = { 'https-proxy': 'http://proxy.example.com:3128' };
    it.each([
      ['daemon.json', 'etc/docker/daemon.json', JSON.stringify({ proxies: proxied })],
      [
        'a drop-in of the service',
        'etc/systemd/system/docker.service.d/proxy.conf',
        '[Service]\nEnvironment="NO_PROXY=a" "HTTPS_PROXY=http://proxy.example.com:3128"\n',
      ],
      ['the environment of everybody', 'etc/environment', 'https_proxy=http://proxy.example.com\n'],
    ])('of %s', async (_where, path, text) => {
      const { checks, code } = await doctor(host({ [path]: text }), '--registry', away);
      const unknown = checks.filter((check) => check.status === 'unknown');
      expect(unknown).toMatchObject([
        { mend: expect.stringContaining('where the proxy runs') as string },
      ]);
      expect(unknown[0]?.subject.endsWith(path)).toBe(true);
      expect(code).toBe(3);
    });

    it('nor an empty or commented-out one for a proxy', async () => {
      const text = '# https_proxy=http://proxy.example.com\nhttp_proxy=""\nno_proxy=a\n';
      const { code } = await doctor(host({ 'etc/environment': text }), '--registry', away);
      expect(code).toBe(0);
    });

    it('of whoever runs doctor, where it looks at this host', async () => {
      const root = host({});
      const env = { HTTPS_PROXY: 'http://proxy.example.com:3128' };
      expect(await examineProxies({ root: '/' }, env)).toContainEqual(
        expect.objectContaining({ status: 'unknown', subject: 'environment: HTTPS_PROXY' }),
      );
      expect(await examineProxies({ root }, env)).toEqual([]);
    });
  });

  it('refuses what makes no sense', async () => {
    const mistyped = await site.cli(['doctor', gate, '--root', join(site.folder, 'nowhere')]);
    expect(mistyped).toMatchObject({ code: 2, stderr: expect.stringContaining('--root') });
    const image = await site.cli(['doctor', `${gate}/team/app`]);
    expect(image).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('the gate to be HOST'),
    });
    const same = await site.cli(['doctor', gate, '--registry', gate]);
    expect(same.code).toBe(2);
    const elsewhere = await site.cli(['doctor', gate, '--unsigned', `${away}/a/b:1`]);
    expect(elsewhere.code).toBe(2);
  });
});
