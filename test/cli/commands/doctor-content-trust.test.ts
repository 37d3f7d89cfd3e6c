import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { examineContentTrust } from '../../../cli/commands/doctor/content-trust/host.ts';
import { examineProject } from '../../../cli/commands/doctor/content-trust/project.ts';
import { trustSettings } from '../../../cli/commands/doctor/content-trust/settings.ts';
import { ignoringTools, namedDockers } from '../../../cli/commands/doctor/content-trust/tools.ts';
import type { Check } from '../../../cli/commands/doctor/check.ts';
import type { DockerCli } from '../../../cli/docker-cli.ts';
import { findDockerCli, readDockerVersion } from '../../../cli/docker-cli.ts';
import { clientPath } from '../../support/clients.ts';
import type { Site } from '../../support/countersign.ts';
import { createSite } from '../../support/countersign.ts';
import { describeWithClients } from '../../support/describe-with-clients.ts';
import { suiteScope } from '../../support/scope.ts';

const scope = suiteScope();
const TODAY = '2026-11-21';
/** What Docker 29 prints of itself where no engine answers. */
const DOCKER_29 = readDockerVersion(
  '{"Client":{"Version":"29.1.3","ApiVersion":"1.52","DefaultAPIVersion":"1.52","GitCommit":"f52814d","GoVersion":"go1.25.5","Os":"linux","Arch":"amd64","BuildTime":"Fri Dec 12 14:48:37 2025","Context":"default"},"Server":null}',
);

/** A folder with these files. */
function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(scope.folder(), 'files-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

async function host(
  files: Readonly<Record<string, string>>,
  docker: DockerCli | null = DOCKER_29,
  today = TODAY,
): Promise<{ checks: readonly Check[]; at: (name: string) => Check | undefined }> {
  const root = folderOf(files);
  const checks = await examineContentTrust({ root, home: '/home/eve', env: {}, docker, today });
  return { checks, at: (name) => checks.find(({ subject }) => subject.endsWith(name)) };
}

describe('content trust of a host', () => {
  it('is found wherever it is switched on, and open where Docker 29 ignores it', async () => {
    const files = {
      'etc/environment': 'LANG=C\nDOCKER_CONTENT_TRUST="1"\n',
      'etc/profile.d/docker.sh': '# DOCKER_CONTENT_TRUST=1\nexport DOCKER_CONTENT_TRUST=banana\n',
      'home/eve/.bashrc': 'export DOCKER_CONTENT_TRUST=1',
      'home/eve/.config/fish/config.fish': 'set -gx DOCKER_CONTENT_TRUST 1',
      'home/eve/.config/environment.d/10-docker.conf': 'DOCKER_CONTENT_TRUST=true',
      'home/eve/.profile': 'export DOCKER_CONTENT_TRUST=0\nunset DOCKER_CONTENT_TRUST\n',
    };
    const { checks, at } = await host(files);
    expect(checks.map(({ status }) => status)).toEqual(Array(5).fill('open'));
    expect(at('etc/environment:2')).toMatchObject({
      found: expect.stringContaining('Docker 29.1.3 ignores it'),
      mend: expect.stringContaining('countersign docker install'),
    });
    for (const name of ['docker.sh:2', '.bashrc:1', 'config.fish:1', '10-docker.conf:1']) {
      expect(at(name)).toBeDefined();
    }
  });

  it('T-63: is not waited for where a file is a pipe that nobody writes to', async () => {
    const root = folderOf({ 'etc/profile': 'export DOCKER_CONTENT_TRUST=1' });
    execFileSync('mkfifo', [join(root, 'etc/environment')]);
    const checks = await examineContentTrust({
      root,
      home: '/home/eve',
      env: {},
      docker: DOCKER_29,
      today: TODAY,
    });
    expect(checks.map(({ subject }) => subject)).toEqual([join(root, 'etc/profile:1')]);
  });

  it('still does something with Docker 28, which is worth knowing before it is upgraded', async () => {
    const docker = { version: '28.5.2', major: 28 };
    const { checks } = await host({ 'etc/environment': 'DOCKER_CONTENT_TRUST=1' }, docker);
    expect(checks).toMatchObject([{ status: 'note' }]);
    expect(checks[0]?.mend).toContain('before docker is upgraded');
    const none = await host({ 'etc/environment': 'DOCKER_CONTENT_TRUST=1' }, null);
    expect(none.checks).toMatchObject([{ status: 'unknown' }]);
  });

  it('never did anything for daemons, podman, nerdctl, buildx and the kubelet', async () => {
    const docker = { version: '28.5.2', major: 28 };
    const { checks, at } = await host(
      {
        'home/eve/.bashrc': 'export DOCKER_CONTENT_TRUST=1',
        'etc/systemd/system/docker.service.d/trust.conf':
          '[Service]\nEnvironment="DOCKER_CONTENT_TRUST=1"\n',
        'etc/systemd/system/kubelet.service': '[Service]\nEnvironment=DOCKER_CONTENT_TRUST=1\n',
        'usr/bin/podman': '',
        'usr/bin/kubelet': '',
        'usr/libexec/docker/cli-plugins/docker-buildx': '',
      },
      docker,
    );
    expect(at('trust.conf:2')?.found).toContain('set for docker.service, which never heeded it');
    expect(at('kubelet.service:2')).toMatchObject({ status: 'open' });
    expect(at('usr/bin/podman')?.found).toContain('podman ignores DOCKER_CONTENT_TRUST');
    expect(at('docker-buildx')?.found).toContain('docker build goes to buildx');
    expect(checks.filter(({ status }) => status === 'open')).toHaveLength(5);
  });

  it.each([
    [TODAY, 'is shut down on 2026-12-08'],
    ['2026-12-09', 'was shut down on 2026-12-08'],
  ])("tells of Docker's own trust server on %s that it %s", async (today, said) => {
    const files = {
      'etc/environment': 'DOCKER_CONTENT_TRUST_SERVER=https://notary.docker.io',
      'home/eve/.bashrc': 'export DOCKER_CONTENT_TRUST_SERVER=https://notary.example.com:4443',
    };
    const { at } = await host(files, null, today);
    expect(at('environment:1')).toMatchObject({ status: 'open' });
    expect(at('environment:1')?.found).toContain(said);
    expect(at('.bashrc:1')).toMatchObject({ status: 'note' });
  });

  it('is nothing to find where it is set nowhere', async () => {
    const files = { 'etc/environment': 'PATH=/bin\n', 'usr/bin/podman': '' };
    expect((await host(files)).checks).toMatchObject([{ status: 'closed' }]);
  });
});

describe('content trust of a project', () => {
  const CI: readonly (readonly [file: string, text: string, status: string, found: string])[] = [
    [
      '.gitlab-ci.yml',
      'image: docker:29.1-cli\nvariables:\n  DOCKER_CONTENT_TRUST: "1"\n',
      'open',
      'Docker 29 or later, which ignores it',
    ],
    [
      '.gitlab-ci.yml',
      'image: docker:28-cli\nvariables:\n  DOCKER_CONTENT_TRUST: 1\nscript:\n  - docker pull alpine\n',
      'note',
      'the Docker 28 that is named here heeds it',
    ],
    [
      '.gitlab-ci.yml',
      'services:\n  - docker:dind\nvariables: { DOCKER_CONTENT_TRUST: 1 }\n',
      'unknown',
      'depends on the docker of who runs this',
    ],
    [
      '.github/workflows/release.yaml',
      'env:\n  DOCKER_CONTENT_TRUST: 1\nsteps:\n  - uses: docker/build-push-action@v6\n',
      'open',
      'ignored by buildx (line 4)',
    ],
    [
      'Jenkinsfile',
      "environment { DOCKER_CONTENT_TRUST = '1' }\nsh 'podman pull alpine'\n",
      'open',
      'ignored by podman (line 2)',
    ],
    [
      '.circleci/config.yml',
      'environment:\n  DOCKER_CONTENT_TRUST: true\nrun: docker pull alpine:3\n',
      'unknown',
      'depends on the docker',
    ],
    [
      'azure-pipelines.yml',
      'variables:\n- name: DOCKER_CONTENT_TRUST\n  value: 1\nsteps:\n- script: docker build .\n',
      'open',
      'ignored by docker build (line 5)',
    ],
    ['Dockerfile', 'FROM docker:29\nENV DOCKER_CONTENT_TRUST 1\n', 'open', 'ignores it'],
    ['tools/Makefile', 'export DOCKER_CONTENT_TRUST := 1\n\tnerdctl pull x\n', 'open', 'nerdctl'],
    ['compose.yaml', 'environment:\n  - DOCKER_CONTENT_TRUST=1\n', 'unknown', 'is set'],
    [
      'ci/pull.sh',
      'DOCKER_BUILDKIT=0\nDOCKER_CONTENT_TRUST=1 docker build .\n',
      'unknown',
      'is set',
    ],
  ];

  it.each(CI)('finds %s: %j', async (file, text, status, found) => {
    const checks = await examineProject(folderOf({ [file]: text }), TODAY);
    expect(checks).toMatchObject([{ status, found: expect.stringContaining(found) }]);
    expect(checks[0]?.subject).toMatch(/:\d+$/);
    expect(checks[0]?.subject.startsWith(file)).toBe(true);
  });

  it('finds docker trust that a Docker 29 is asked to run, and what brings it back', async () => {
    const text = 'image: docker:29\nscript:\n  - docker trust sign $IMAGE\n';
    expect(await examineProject(folderOf({ '.gitlab-ci.yml': text }), TODAY)).toMatchObject([
      { status: 'open', subject: '.gitlab-ci.yml:3' },
    ]);
  });

  it('looks at no comments, no other files, no links, nothing that was installed', async () => {
    const folder = folderOf({
      Makefile: '# DOCKER_CONTENT_TRUST=1\n',
      'notes.md': 'export DOCKER_CONTENT_TRUST=1\n',
      'values.yml': 'DOCKER_CONTENT_TRUST: 1\n',
      'off.sh': 'export DOCKER_CONTENT_TRUST=false\n',
      'node_modules/x/run.sh': 'export DOCKER_CONTENT_TRUST=1\n',
    });
    const outside = folderOf({ 'run.sh': 'export DOCKER_CONTENT_TRUST=1\n' });
    symlinkSync(outside, join(folder, 'linked'));
    symlinkSync(folder, join(folder, 'round'));
    expect(await examineProject(folder, TODAY)).toMatchObject([{ status: 'closed' }]);
  });

  it('says where there was more than it looked at', async () => {
    const files = Array.from({ length: 5001 }, (_, at) => [`${at}.sh`, ''] as const);
    const checks = await examineProject(folderOf(Object.fromEntries(files)), TODAY);
    expect(checks).toMatchObject([{ status: 'unknown' }]);
  });
});

describe('what is read of a line', () => {
  it.each([
    ['DOCKER_CONTENT_TRUST=1', '1'],
    ['  DOCKER_CONTENT_TRUST: "1"', '1'],
    ["DOCKER_CONTENT_TRUST = 'true'", 'true'],
    ['"DOCKER_CONTENT_TRUST": "1",', '1'],
    ['docker run -e DOCKER_CONTENT_TRUST=1 x', '1'],
    ['DOCKER_CONTENT_TRUST ?= 1', '1'],
    ['ENV DOCKER_CONTENT_TRUST 1', '1'],
  ])('%s sets %s', (line, value) => {
    expect(trustSettings(line)).toEqual([{ name: 'DOCKER_CONTENT_TRUST', value, line: 1 }]);
  });

  it.each([
    'unset DOCKER_CONTENT_TRUST now',
    'echo "DOCKER_CONTENT_TRUST is off"',
    '# DOCKER_CONTENT_TRUST=1',
    'MY_DOCKER_CONTENT_TRUST=1',
    'DOCKER_CONTENT_TRUST=',
    'DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE=1',
  ])('%s sets nothing', (line) => {
    expect(trustSettings(line)).toEqual([]);
  });

  it('T-63: a line of a megabyte is read once', () => {
    const line = `set ${' '.repeat(500_000)}${'DOCKER_CONTENT_TRUST x '.repeat(25_000)}`;
    expect(trustSettings(line)).toEqual([]);
    // A value of its own line that never comes: this took ten minutes.
    const blank = ' '.repeat(1_000_000);
    expect(trustSettings(`- name: DOCKER_CONTENT_TRUST\n${blank}x`)).toEqual([]);
    const far = `${'x '.repeat(500)}ENV DOCKER_CONTENT_TRUST 1`;
    expect(trustSettings(far)).toEqual([]);
  });

  it('knows images of docker, and tools by where a command stands', () => {
    expect(namedDockers('image: docker:28.5-cli\nimage: "docker:29"\n')).toEqual([28, 29]);
    expect(namedDockers('image: docker:latest')).toEqual([29]);
    expect(namedDockers('FROM docker')).toEqual([29]);
    expect(namedDockers('- docker\nname: my-docker:1\nneeds: docker')).toEqual([]);
    expect(ignoringTools('x && skopeo copy a b')).toEqual([{ tool: 'skopeo', line: 1 }]);
    expect(ignoringTools('echo podmania; my-podman pull')).toEqual([]);
  });
});

describeWithClients('countersign doctor beside a real docker', ['docker-20', 'docker-28'], () => {
  let site: Site;
  beforeAll(() => {
    site = createSite(join(scope.folder(), 'site'));
  });

  it.each(['docker-20', 'docker-28'] as const)('reads the version of %s', async (client) => {
    const PATH = mkdtempSync(join(scope.folder(), 'bin-'));
    symlinkSync(clientPath(client), join(PATH, 'docker'));
    const docker = await findDockerCli({ PATH, DOCKER_HOST: 'unix:///nowhere' });
    expect(docker?.major).toBe(client === 'docker-20' ? 20 : 28);
  });

  it('judges host and project without a gate: exit 1 for what does nothing, else 0', async () => {
    const folder = folderOf({
      '.gitlab-ci.yml': 'image: docker:29\nvariables:\n  DOCKER_CONTENT_TRUST: 1\n',
    });
    const root = folderOf({ 'etc/environment': '' });
    const bad = await site.cli(['doctor', '--root', root, '--project', folder]);
    expect(bad.stdout).toContain('.gitlab-ci.yml:3');
    expect(bad.stdout).toContain('1 of these do nothing any more.');
    expect(bad.code).toBe(1);
    const good = await site.cli(['doctor', '--root', root], { cwd: root });
    expect(good.stdout).toContain('No content trust that does nothing was found.');
    expect(good.code).toBe(0);
    const json = await site.cli([
      '--output',
      'json',
      'doctor',
      '--root',
      root,
      '--project',
      folder,
    ]);
    expect(JSON.parse(json.stdout)).toMatchObject({ gate: null, open: 1, unknown: 0 });
    expect(await site.cli(['doctor', '--unsigned', 'x/y:1'])).toMatchObject({ code: 2 });
  });
});
