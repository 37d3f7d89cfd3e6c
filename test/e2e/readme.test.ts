import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { freePort } from '../support/child.ts';
import { clientPath } from '../support/clients.ts';
import { createSite } from '../support/countersign.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { acceptAnything } from '../support/gate-clients/containers-image.ts';
import { buildImage, writeOciLayout } from '../support/image.ts';
import { flat, README, ROOT, startLine, STORIES, withPorts } from '../support/readme.ts';
import type { Ran } from '../support/run.ts';
import { mustRun, run } from '../support/run.ts';
import { suiteScope } from '../support/scope.ts';

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

    const lines = [...STORIES.setUp];
    const serve = lines.pop() ?? '';
    const prepared = await shell(lines.join('\n'));
    if (prepared.code !== 0) throw new Error(prepared.output);
    scope.own(await startLine(command(serve), gate, { cwd: site.folder, env: site.env }));
  });

  it('ends in a refused pull that says what it prints, and in an accepted one after signing', async () => {
    const [pulled = '', refusal = '', more = '', sign = '', again = ''] = STORIES.story;
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
