import { copyFileSync, cpSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import type { Child } from '../support/child.ts';
import { freePort } from '../support/child.ts';
import type { ClientName } from '../support/clients.ts';
import { clientPath } from '../support/clients.ts';
import { createSite } from '../support/countersign.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import { TRUST_PASSPHRASE } from '../support/docker-home.ts';
import { PLUGIN } from '../support/docker-plugin.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import type { Dockerd, ImageStore } from '../support/dockerd.ts';
import { startDockerd } from '../support/dockerd.ts';
import { promised, README, ROOT, startLine, STORIES, withPorts } from '../support/readme.ts';
import type { Ran } from '../support/run.ts';
import { run } from '../support/run.ts';
import { suiteScope } from '../support/scope.ts';

const { setUp, story, docker28, docker29 } = STORIES;

/** A machine with docker on its PATH, which the reader types at. */
interface Machine {
  readonly store: ImageStore;
  readonly client: ClientName;
  readonly needs: readonly ClientName[];
}
// Docker 29 keeps images in containerd; before, engines did so themselves.
const OLD: Machine = { store: 'graph', client: 'docker-28', needs: ['docker-28', 'dockerd'] };
const NEW: Machine = {
  store: 'containerd',
  client: 'docker-new',
  needs: ['docker-new', 'dockerd-new', 'containerd-new'],
};

describeWithClients(
  'the README pasted from top to bottom',
  ['docker-registry', ...new Set([...OLD.needs, ...NEW.needs])],
  () => {
    const scope = suiteScope();
    let serving: Child | undefined;
    /** Runs a line in the checkout, on a machine. */
    let shell: (line: string, machine?: Machine) => Promise<Ran>;
    /** Starts a line that serves, in the terminal of the one before. */
    let serve: (line: string) => Promise<void>;

    beforeAll(async () => {
      const gate = `localhost:${await freePort()}`;
      const registry = scope.own(await startDockerRegistry(join(scope.folder(), 'registry')));
      const site = createSite(join(scope.folder(), 'site'));
      const home = join(scope.folder(), 'home');
      const cwd = join(scope.folder(), 'checkout');
      mkdirSync(home);
      mkdirSync(cwd);
      cpSync(join(ROOT, 'policies'), join(cwd, 'policies'), { recursive: true });
      const machines = new Map<Machine, { readonly engine: Dockerd; readonly bin: string }>();
      for (const machine of [OLD, NEW]) {
        const folder = join(scope.folder(), machine.store);
        const engine = scope.own(await startDockerd(folder, { store: machine.store }));
        const bin = join(folder, 'bin');
        mkdirSync(bin);
        symlinkSync(clientPath(machine.client), join(bin, 'docker'));
        machines.set(machine, { engine, bin });
      }
      const command = (line: string): string => withPorts(line, registry.url, gate);
      const environment = (machine: Machine): Record<string, string | undefined> => {
        const { engine, bin } = machines.get(machine) ?? {};
        return {
          ...site.env,
          HOME: home,
          PATH: `${bin}:${process.env['PATH'] ?? ''}`,
          DOCKER_CONFIG: join(home, '.docker'),
          DOCKER_HOST: engine?.address,
          DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: TRUST_PASSPHRASE,
          DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: TRUST_PASSPHRASE,
        };
      };
      shell = async (line, machine = OLD) => {
        const env = environment(machine);
        const ran = await run('sh', ['-euc', command(line)], { cwd, env });
        return { ...ran, output: ran.output.replaceAll(gate, 'localhost:5443') };
      };
      serve = async (line) => {
        await serving?.stop();
        serving = await startLine(command(line), gate, { cwd, env: environment(OLD) });
        scope.own(serving);
      };

      // Images of the reader's own: 1.0 in the registry behind, the next one on each machine.
      const behind = `${registry.host}/team/app:1.0`;
      await machines.get(OLD)?.engine.makeImage(behind, 'content of 1.0');
      await shell(`docker push ${behind} && docker tag ${behind} localhost:5443/team/app:1.0`);
      await machines.get(NEW)?.engine.makeImage(`${gate}/team/app:1.1`, 'content of 1.1');
      await machines.get(NEW)?.engine.makeImage(`${gate}/team/new:1.1`, 'content of another');
      await machines.get(OLD)?.engine.makeImage(`${gate}/team/app:1.2`, 'content of 1.2');
    }, 120_000);

    it('signs an image of the registry behind', async () => {
      for (const line of setUp.slice(0, -1)) expect(await shell(line)).toMatchObject({ code: 0 });
      await serve(setUp.at(-1) ?? '');
      const [pull = '', , , sign = '', again = ''] = story;
      expect((await shell(pull)).output).toContain('needs release-bot; found none');
      expect(await shell(sign)).toMatchObject({ code: 0 });
      expect(await shell(again)).toMatchObject({ code: 0 });
    }, 120_000);

    it('goes on with Docker 28 as it was', async () => {
      const [copy = '', start = '', on = '', push = '', pull = ''] = docker28;
      expect(docker28).toHaveLength(5);
      expect(await shell(copy)).toMatchObject({ code: 0 });
      await serve(start);
      expect(serving?.stderr()).not.toContain('are not read');
      for (const line of [push, pull]) {
        const ran = await shell(`${on}\n${line}`);
        expect(ran).toMatchObject({ code: 0 });
        expect(ran.output).toContain(promised(line));
      }
    }, 120_000);

    it.each([
      ['an engine that keeps images in containerd, as it stands', NEW, '1.1'],
      ['an engine of before, with the next tag', OLD, '1.2'],
    ])(
      'holds for clients that know nothing of it: %s',
      async (_name, machine, tag) => {
        const lines = docker29.map((line) => line.replaceAll(':1.1', `:${tag}`));
        const [off = '', push = '', pull = '', install = '', sign = ''] = lines;
        expect(docker29).toHaveLength(5);
        expect(await shell(`${off}\n${push}`, machine)).toMatchObject({ code: 0 });
        const held = await shell(`${off}\n${pull}`, machine);
        expect(held.code).not.toBe(0);
        expect(held.output).toContain(promised(pull));
        expect(await shell(install, machine)).toMatchObject({ code: 0 });
        // Docker before 29 has `trust` built in, and passes over a plugin of that name.
        const plugins = join(scope.folder(), 'home', '.docker', 'cli-plugins');
        copyFileSync(join(plugins, 'docker-trust'), join(plugins, `docker-${PLUGIN}`));
        const ours = sign.replaceAll('docker trust', `docker ${PLUGIN}`);
        expect(await shell(`${off}\n${ours}`, machine)).toMatchObject({ code: 0 });
        rmSync(join(plugins, `docker-${PLUGIN}`));
      },
      120_000,
    );

    it('begins a repository where a login names the first signer', async () => {
      expect(README).toContain('nobody has signed yet, `docker login` first');
      const home = join(scope.folder(), 'another home');
      mkdirSync(home);
      const config = join(home, '.docker');
      const here = `export HOME='${home}' DOCKER_CONFIG='${config}'`;
      const [off = '', push = '', , install = '', sign = ''] = docker29.map((line) =>
        line.replaceAll('team/app', 'team/new'),
      );
      expect(await shell(`${here}\n${off}\n${push}\n${install}`, NEW)).toMatchObject({ code: 0 });
      const plugins = join(config, 'cli-plugins');
      copyFileSync(join(plugins, 'docker-trust'), join(plugins, `docker-${PLUGIN}`));
      const ours = sign.replaceAll('docker trust', `docker ${PLUGIN}`);
      const without = await shell(`${here}\n${off}\n${ours}`, NEW);
      expect(without.code).toBe(1);
      expect(without.output).toContain('docker login localhost:5443');
      const login = 'docker login --username reader --password any localhost:5443';
      const signed = await shell(`${here}\n${off}\n${login}\n${ours}`, NEW);
      expect(signed).toMatchObject({ code: 0 });
      expect(signed.output).toContain('Created signer: reader');
    }, 120_000);
  },
);
