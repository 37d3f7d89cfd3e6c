import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { clientPath, findClient } from '../support/clients.ts';
import type { Containerd } from '../support/containerd.ts';
import { startContainerd } from '../support/containerd.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import type { StandInHub } from '../support/docker-hub.ts';
import { startStandInHub } from '../support/docker-hub.ts';
import type { Dockerd } from '../support/dockerd.ts';
import { startDockerd } from '../support/dockerd.ts';
import { failing, image, notSigned, said } from '../support/gate-stage.ts';
import { acceptAnything } from '../support/gate-clients/containers-image.ts';
import type { Guarded } from '../support/guarded.ts';
import { startGuarded } from '../support/guarded.ts';
import { pushImage } from '../support/image.ts';
import { run } from '../support/run.ts';
import { suiteScope } from '../support/scope.ts';

// What docs/operations.md says under "Mirrors fail open", as the clients do it: each pulls the same
// unsigned image, by the name of the registry behind the gate.
const needs = [
  'docker',
  'dockerd',
  'containerd',
  'ctr',
  'skopeo',
  'podman',
  'docker-registry',
] as const;

const SLOW = { timeout: 10_000 };

describeWithClients('a gate that is configured as a mirror', needs, () => {
  const scope = suiteScope();
  let guarded: Guarded;
  let registry: string;
  let gate: string;
  /** How often the gate has refused the manifest of that tag. */
  const refusals = (path: string): number =>
    guarded.gate.logs().split(`"path":"/v2/${path}/manifests/1","status":403`).length - 1;

  beforeAll(async () => {
    guarded = await startGuarded(scope, 'docker-registry');
    registry = guarded.upstream?.host ?? '';
    gate = guarded.gate.host;
    await guarded.pushSigned('allow/signed:1', image('signed\n'));
    for (const path of ['allow/unsigned', 'library/unsigned']) {
      await pushImage(`http://${registry}`, path, image('unsigned\n'), '1');
    }
  });

  describe.for(['skopeo', 'podman'] as const)('of %s', (client) => {
    /** Pulls with this registries.conf. */
    const pull = async (toml: string, name: string): Promise<string> => {
      const folder = join(scope.folder(), client);
      mkdirSync(folder, { recursive: true });
      const file = join(folder, 'registries.conf');
      writeFileSync(file, toml);
      const policy = acceptAnything(folder);
      const store = ['--root', join(folder, 'store'), '--runroot', join(folder, 'run')];
      const copy = ['copy', `docker://${name}`, `dir:${join(folder, 'in')}`];
      const args = {
        skopeo: ['--registries-conf', file, '--policy', policy, ...copy],
        podman: [...store, '--storage-driver', 'vfs', 'pull', `--signature-policy=${policy}`, name],
      }[client];
      const env = { CONTAINERS_REGISTRIES_CONF: file };
      return said(await run(clientPath(client), args, { env }));
    };
    const entry = (location: string, more = ''): string =>
      `[[registry]]\nprefix = "${registry}"\nlocation = "${location}"\ninsecure = true\n${more}`;

    it('lets an unsigned image in: the registry itself is asked after the gate has refused', async () => {
      const mirror = `[[registry.mirror]]\nlocation = "${gate}"\ninsecure = true\n`;
      const before = refusals('allow/unsigned');
      const pulled = await pull(entry(registry, mirror), `${registry}/allow/unsigned:1`);
      expect(pulled).toMatch(/^done/);
      // The log's line leaves after the answer.
      await expect.poll(() => refusals('allow/unsigned'), SLOW).toBeGreaterThan(before);
    });

    it('is the only way as the location of all of the registry', async () => {
      const only = entry(gate);
      expect(await pull(only, `${registry}/allow/signed:1`)).toMatch(/^done/);
      expect(await pull(only, `${registry}/allow/unsigned:1`)).toMatch(notSigned('allow'));
    });

    it('is the only way where the registry is blocked', async () => {
      const toml = `${entry(registry, 'blocked = true\n')}[[registry]]\nlocation = "${gate}"\ninsecure = true\n`;
      expect(await pull(toml, `${gate}/allow/signed:1`)).toMatch(/^done/);
      expect(await pull(toml, `${gate}/allow/unsigned:1`)).toMatch(notSigned('allow'));
      expect(await pull(toml, `${registry}/allow/unsigned:1`)).toMatch(failing('blocked'));
    });
  });

  describe.for([
    ['ctr', 'containerd'],
    ['ctr-new', 'containerd-new'],
  ] as const)('of %s', ([ctr, daemon]) => {
    let containerd: Containerd;
    beforeAll(async () => {
      containerd = scope.own(await startContainerd(join(scope.folder(), ctr), daemon));
    });
    /** Pulls by the registry's name with this hosts.toml for it. */
    const pull = async (toml: string, name: string): Promise<string> => {
      const hosts = join(scope.folder(), ctr, 'hosts');
      mkdirSync(join(hosts, registry), { recursive: true });
      writeFileSync(join(hosts, registry, 'hosts.toml'), toml);
      const reference = `${registry}/${name}`;
      const images = ['--address', containerd.address, 'images'];
      await run(clientPath(ctr), [...images, 'rm', '--sync', reference]);
      const flags = ['--snapshotter', 'native', '--hosts-dir', hosts];
      return said(await run(clientPath(ctr), [...images, 'pull', ...flags, reference]));
    };
    const server = (host: string): string => `server = "http://${host}"\n`;
    const host = (name: string): string =>
      `[host."http://${name}"]\n  capabilities = ["pull", "resolve"]\n`;

    it('lets an unsigned image in: the server is asked after the gate has refused', async () => {
      const before = refusals('allow/unsigned');
      const mirror = `${server(registry)}${host(gate)}`;
      expect(await pull(mirror, 'allow/unsigned:1')).toMatch(/^done/);
      // The log's line leaves after the answer.
      await expect.poll(() => refusals('allow/unsigned'), SLOW).toBeGreaterThan(before);
      // So it is where no server is named: that is the registry then.
      expect(await pull(host(gate), 'allow/unsigned:1')).toMatch(/^done/);
    });

    it('is the only way as the server and the one host', async () => {
      const only = `${server(gate)}${host(gate)}`;
      expect(await pull(only, 'allow/signed:1')).toMatch(/^done/);
      expect(await pull(only, 'allow/unsigned:1')).toMatch(notSigned('allow'));
    });

    it('is not even asked by containerd 1 as a server with no host beside it', async () => {
      const ignored = findClient(daemon)?.version.startsWith('1.') === true;
      const pulled = await pull(server(gate), 'allow/unsigned:1');
      expect(pulled).toMatch(ignored ? /^done/ : notSigned('allow'));
    });
  });

  describe('of docker', () => {
    let engine: Dockerd;
    let hub: StandInHub;
    const pull = async (name: string): Promise<string> => {
      await engine.docker(['rmi', '-f', name]);
      return said(await engine.docker(['pull', name]));
    };

    beforeAll(async () => {
      hub = scope.own(await startStandInHub(scope.folder(), `http://${registry}`));
      const config = { 'registry-mirrors': [`http://${gate}`] };
      const folder = join(scope.folder(), 'docker');
      engine = scope.own(await startDockerd(folder, { config, env: hub.env }));
    });

    it('lets an unsigned image in: Hub is asked after the gate has refused', async () => {
      expect(await pull('unsigned:1')).toMatch(/^done/);
      // The log's line leaves after the answer.
      await expect.poll(() => refusals('library/unsigned'), SLOW).toBeGreaterThan(0);
    });

    it('is the only way by its own name, where the network does not lead to Hub', async () => {
      hub.open(false);
      expect(await pull(`${gate}/allow/signed:1`)).toMatch(/^done/);
      expect(await pull(`${gate}/allow/unsigned:1`)).toMatch(notSigned('allow'));
      expect(await pull('unsigned:1')).toMatch(/^exit 1/);
    });
  });
});
