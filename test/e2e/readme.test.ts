import { cpSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import type { Child } from '../support/child.ts';
import { freePort, startChild, waitFor } from '../support/child.ts';
import { clientPath } from '../support/clients.ts';
import { createSite } from '../support/countersign.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import { TRUST_PASSPHRASE } from '../support/docker-home.ts';
import { startDockerd } from '../support/dockerd.ts';
import { answers, startDockerRegistry } from '../support/docker-registry.ts';
import { acceptAnything } from '../support/gate-clients/containers-image.ts';
import { buildImage, writeOciLayout } from '../support/image.ts';
import type { Ran } from '../support/run.ts';
import { mustRun, run } from '../support/run.ts';
import { suiteScope } from '../support/scope.ts';

const ROOT = join(import.meta.dirname, '../..');
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');
const blocks = [...README.matchAll(/```sh\n([^]*?)```/g)].map((match) => match[1] ?? '');
const [, setUp = '', story = '', docker28 = '', docker29 = ''] = blocks;

/** What a person reads, on one line. */
const flat = (text: string): string => text.replaceAll(/\s*#?\s+/g, ' ');

/** A line of the README as it stands, with our own binary for npx and free ports. */
const withPorts = (line: string, registry: string, gate: string): string =>
  line
    .replaceAll('npx countersign', `"${process.execPath}" "${join(ROOT, 'bin/countersign.js')}"`)
    .replaceAll('http://localhost:5000', registry)
    .replaceAll('localhost:5443', gate);

/** Starts the line that serves, and waits until it is ready. */
async function startLine(
  line: string,
  gate: string,
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): Promise<Child> {
  const service = startChild('sh', ['-c', `exec ${line} --listen ${gate}`], options);
  await waitFor(service, 'countersign serve', () => answers(`http://${gate}/readyz`));
  return service;
}

describeWithClients('the first screen of the README', ['docker-registry', 'skopeo'], () => {
  const scope = suiteScope();
  let command: (line: string) => string;
  let shell: (lines: string) => Promise<Ran>;
  let pull: () => Promise<Ran>;

  // Its lines as they stand, with free ports, our own binary for npx, and skopeo as the client:
  // it reads what docker reads and needs no daemon.
  beforeAll(async () => {
    const site = createSite(join(scope.folder(), 'site'));
    const registry = scope.own(await startDockerRegistry(join(scope.folder(), 'registry')));
    const gate = `localhost:${await freePort()}`;
    cpSync(join(ROOT, 'policies'), join(site.folder, 'policies'), { recursive: true });
    const layout = join(scope.folder(), 'layout');
    mkdirSync(layout);
    writeOciLayout(layout, buildImage(), '1.0');
    const skopeo = ['--policy', acceptAnything(scope.folder()), 'copy'];
    const to = `docker://${registry.host}/team/app:1.0`;
    await mustRun(clientPath('skopeo'), [
      ...skopeo,
      '--dest-tls-verify=false',
      `oci:${layout}:1.0`,
      to,
    ]);

    command = (line) => withPorts(line, registry.url, gate);
    shell = (lines) => run('sh', ['-euc', command(lines)], { cwd: site.folder, env: site.env });
    pull = () =>
      run(clientPath('skopeo'), [
        ...skopeo,
        '--src-tls-verify=false',
        `docker://${gate}/team/app:1.0`,
        `dir:${join(scope.folder(), 'out')}`,
      ]);

    const lines = setUp.trim().split('\n');
    const serve = lines.pop() ?? '';
    const prepared = await shell(lines.join('\n'));
    if (prepared.code !== 0) throw new Error(prepared.output);
    scope.own(await startLine(command(serve), gate, { cwd: site.folder, env: site.env }));
  });

  it('ends in a refused pull that says what it prints, and in an accepted one after signing', async () => {
    const [pulled = '', refusal = '', more = '', sign = '', again = ''] = story.trim().split('\n');
    expect(pulled).toBe('docker pull localhost:5443/team/app:1.0');
    const refused = await pull();
    expect(refused.code).not.toBe(0);
    // The digest of the README's image is its own.
    const said = flat(`${refusal}${more}`)
      .replace(/^.*denied: /, '')
      .replace(/sha256:[0-9a-f]{12}/, '<digest>');
    expect(flat(refused.output).replaceAll(/sha256:[0-9a-f]{12}\b/g, '<digest>')).toContain(
      command(said),
    );
    expect(await shell(sign)).toMatchObject({ code: 0 });
    expect(again).toBe(pulled);
    expect(await pull()).toMatchObject({ code: 0 });
  });

  it('shows commands that exist', async () => {
    const shown = [...README.matchAll(/npx countersign ([a-z]+)/g)].map((match) => match[1]);
    const help = await shell('npx countersign --help');
    expect(shown.length).toBeGreaterThan(8);
    for (const name of new Set(shown))
      expect(help.stdout).toMatch(new RegExp(`^ +${name}\\b`, 'm'));
  });
});

describeWithClients(
  'Docker Content Trust in the README',
  ['docker-registry', 'docker-28', 'dockerd'],
  () => {
    const scope = suiteScope();
    let shell: (line: string) => Promise<Ran>;
    /** The lines of a story, without what the reader is told beside them. */
    const linesOf = (block: string): readonly string[] => block.trim().split('\n');
    const promised = (line: string): string => /# … (.*)$/.exec(line)?.[1] ?? 'a promise';

    beforeAll(async () => {
      const gate = `localhost:${await freePort()}`;
      const [engine, registry] = await Promise.all([
        startDockerd(join(scope.folder(), 'engine')),
        startDockerRegistry(join(scope.folder(), 'registry')),
      ]);
      scope.own(engine);
      scope.own(registry);
      for (const tag of ['1.0', '1.1'])
        await engine.makeImage(`${gate}/team/app:${tag}`, `content of ${tag}`);
      // What `docker` is on the machine of a person who has Docker 28, and keys that are theirs.
      const [bin, home] = [join(scope.folder(), 'bin'), join(scope.folder(), 'home')];
      mkdirSync(bin);
      mkdirSync(home);
      symlinkSync(clientPath('docker-28'), join(bin, 'docker'));
      const site = createSite(join(scope.folder(), 'site'));
      const cwd = join(scope.folder(), 'checkout');
      mkdirSync(cwd);
      cpSync(join(ROOT, 'policies'), join(cwd, 'policies'), { recursive: true });
      const env = {
        ...site.env,
        HOME: home,
        PATH: `${bin}:${process.env['PATH'] ?? ''}`,
        DOCKER_CONFIG: join(home, '.docker'),
        DOCKER_HOST: engine.address,
        DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: TRUST_PASSPHRASE,
        DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: TRUST_PASSPHRASE,
      };
      const command = (line: string): string => withPorts(line, registry.url, gate);
      shell = async (line) => {
        const ran = await run('sh', ['-euc', command(line)], { cwd, env });
        return { ...ran, output: ran.output.replaceAll(gate, 'localhost:5443') };
      };
      const [copy = '', serve = ''] = linesOf(docker28);
      const copied = await shell(copy);
      if (copied.code !== 0) throw new Error(copied.output);
      scope.own(await startLine(command(serve), gate, { cwd, env }));
    }, 120_000);

    it('goes on with Docker 28 as it was', async () => {
      const [, , on = '', push = '', pull = ''] = linesOf(docker28);
      for (const line of [push, pull]) {
        const ran = await shell(`${on}\n${line}`);
        expect(ran).toMatchObject({ code: 0 });
        expect(ran.output).toContain(promised(line).replace(/…$/, ''));
      }
    }, 120_000);

    it('holds for clients that know nothing of it', async () => {
      const [off = '', push = '', pull = '', install = '', sign = ''] = linesOf(docker29);
      expect(await shell(`${off}\n${push}`)).toMatchObject({ code: 0 });
      const held = await shell(`${off}\n${pull}`);
      expect(held.code).not.toBe(0);
      expect(held.output).toContain(promised(pull));
      for (const line of [install, sign])
        expect(await shell(`${off}\n${line}`)).toMatchObject({ code: 0 });
    }, 120_000);
  },
);
