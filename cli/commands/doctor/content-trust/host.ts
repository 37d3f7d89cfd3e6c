import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeUtf8 } from '../../../../src/lib/bytes.ts';
import { readBoundedFile } from '../../../../src/lib/file.ts';
import { LIMITS } from '../../../../src/lib/limits.ts';
import type { DockerCli } from '../../../docker-cli.ts';
import type { Check } from '../check.ts';
import { check } from '../check.ts';
import { namesIn } from '../file.ts';
import { judgeHost, judgeService } from './judge.ts';
import type { TrustSetting } from './settings.ts';
import { settingsOfEnvironment, switchesOn, trustSettings } from './settings.ts';

/** What the host is looked at with. */
export interface HostTrust {
  readonly root: string;
  readonly home: string;
  readonly env: NodeJS.ProcessEnv;
  /** The docker of this machine; not asked for where the root is another's. */
  readonly docker: DockerCli | null;
  /** `2026-11-21`. */
  readonly today: string;
}

const FOR_ALL = ['etc/environment', 'etc/profile', 'etc/bash.bashrc', 'etc/zsh/zshenv'];
const SHELLS = ['.profile', '.bash_profile', '.bashrc', '.zshenv', '.zprofile', '.zshrc'];
const OF_A_USER = [...SHELLS, '.config/fish/config.fish', '.pam_environment'];
const FOLDERS = ['etc/profile.d', 'etc/environment.d'];
const SYSTEMD = ['etc/systemd/system', 'usr/lib/systemd/system', 'lib/systemd/system'];
const SERVICE_FILES = ['etc/default/docker', 'etc/sysconfig/docker'];

/** Engines and tools that pull, too, and never heard of content trust. */
const OTHERS: readonly (readonly [path: string, what: string])[] = [
  ['usr/libexec/docker/cli-plugins/docker-buildx', 'docker build goes to buildx, which'],
  ['usr/lib/docker/cli-plugins/docker-buildx', 'docker build goes to buildx, which'],
  ['usr/bin/podman', 'podman'],
  ['usr/bin/nerdctl', 'nerdctl'],
  ['usr/local/bin/nerdctl', 'nerdctl'],
  ['usr/bin/kubelet', 'the kubelet'],
  ['usr/bin/crictl', 'crictl'],
];

/** Where a host switches content trust on, and what of it does nothing. */
export async function examineContentTrust(host: HostTrust): Promise<readonly Check[]> {
  const { root, home, env, docker, today } = host;
  const out: (Check | null)[] = [];
  let on = false;
  const judged = (
    subject: string,
    settings: readonly TrustSetting[],
    judge: (subject: string, setting: TrustSetting) => Check | null,
  ): void => {
    on ||= settings.some(switchesOn);
    for (const setting of settings) {
      const where = setting.line === 0 ? subject : `${subject}:${setting.line}`;
      out.push(judge(where, setting));
    }
  };
  const asHost = (subject: string, setting: TrustSetting): Check | null =>
    judgeHost(subject, setting, docker, today);
  if (root === '/') judged('environment', settingsOfEnvironment(env), asHost);
  for (const path of await filesOfUsers(root, home)) judged(path, await settingsIn(path), asHost);
  for (const [service, path] of await filesOfServices(root)) {
    judged(path, await settingsIn(path), (subject, setting) =>
      judgeService(subject, setting, service, today),
    );
  }
  if (on) out.push(...(await others(root)));
  const found = out.filter((one) => one !== null);
  return found.length > 0
    ? found
    : [check('closed', 'content trust', 'DOCKER_CONTENT_TRUST is set nowhere on this host')];
}

async function settingsIn(path: string): Promise<readonly TrustSetting[]> {
  const file = await readBoundedFile(path, LIMITS.configFileBytes, 'CONFIG_INVALID');
  return trustSettings(file.ok ? (decodeUtf8(file.value.bytes) ?? '') : '');
}

async function filesOfUsers(root: string, home: string): Promise<readonly string[]> {
  const below: string[] = [];
  for (const folder of [...FOLDERS, join(home, '.config/environment.d')]) {
    for (const name of await namesIn(join(root, folder))) below.push(join(root, folder, name));
  }
  return [
    ...FOR_ALL.map((name) => join(root, name)),
    ...OF_A_USER.map((name) => join(root, home, name)),
    ...below,
  ];
}

async function filesOfServices(root: string): Promise<readonly (readonly [string, string])[]> {
  const out: (readonly [string, string])[] = SERVICE_FILES.map((name) => [
    'the docker daemon',
    join(root, name),
  ]);
  for (const systemd of SYSTEMD) {
    for (const name of await namesIn(join(root, systemd))) {
      const service = /^(.+\.service)(?:\.d)?$/.exec(name)?.[1];
      if (service === undefined) continue;
      const path = join(root, systemd, name);
      if (!name.endsWith('.d')) out.push([service, path]);
      for (const file of name.endsWith('.d') ? await namesIn(path) : []) {
        if (file.endsWith('.conf')) out.push([service, join(path, file)]);
      }
    }
  }
  return out;
}

async function others(root: string): Promise<readonly Check[]> {
  const out: Check[] = [];
  for (const [path, what] of OTHERS) {
    const file = join(root, path);
    const there = await access(file).then(
      () => true,
      () => false,
    );
    if (!there) continue;
    out.push(
      check(
        'open',
        file,
        `${what} ignores DOCKER_CONTENT_TRUST, which is set on this host`,
        'put Countersign in front of the registry: it refuses what is not signed to every client',
      ),
    );
  }
  return out;
}
