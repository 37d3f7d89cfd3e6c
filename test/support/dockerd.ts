import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Json } from '../../src/lib/json.ts';
import type { ClientName } from './clients.ts';
import { clientPath } from './clients.ts';
import { startChild, waitFor } from './child.ts';
import { startContainerd } from './containerd.ts';
import type { Ran } from './run.ts';
import { mustRun, run } from './run.ts';

/** A docker engine of a suite's own: its socket, data and credentials are in one folder. */
export interface Dockerd {
  /** Where it listens, as DOCKER_HOST names it. */
  readonly address: string;
  /** Runs a docker command against it; `client` chooses the CLI's generation. */
  docker(args: readonly string[], options?: { readonly client?: ClientName }): Promise<Ran>;
  /** Makes a small image under `name`, with `content` in it so that its digest is its own. */
  makeImage(name: string, content: string): Promise<void>;
  stop(): Promise<void>;
}

/** Where an engine keeps its images: in its own graph drivers, as all did until 28, or in containerd (`dockerd-new`). */
export type ImageStore = 'graph' | 'containerd';

/** Starts dockerd as root without systemd, networks or a storage driver that needs the kernel's help. */
export async function startDockerd(
  folder: string,
  options: {
    readonly store?: ImageStore;
    /** Members of daemon.json. */
    readonly config?: Readonly<Record<string, Json>>;
    /** The engine's environment, over this process's own. */
    readonly env?: Readonly<Record<string, string>>;
  } = {},
): Promise<Dockerd> {
  mkdirSync(folder, { recursive: true });
  const socket = `unix://${join(folder, 'docker.sock')}`;
  const config = join(folder, 'docker-config');
  mkdirSync(config, { recursive: true });
  const containerd =
    options.store === 'containerd'
      ? await startContainerd(join(folder, 'containerd'), 'containerd-new')
      : null;
  const features = containerd === null ? {} : { features: { 'containerd-snapshotter': true } };
  const daemon = join(folder, 'daemon.json');
  writeFileSync(daemon, JSON.stringify({ ...options.config, ...features }));
  const cli: ClientName = containerd === null ? 'docker' : 'docker-new';
  const child = startChild(
    clientPath(containerd === null ? 'dockerd' : 'dockerd-new'),
    [
      ['--config-file', daemon],
      ...(containerd === null ? [['--storage-driver=vfs']] : [['--storage-driver=native']]),
      ...(containerd === null ? [] : [['--containerd', containerd.address]]),
      ['--data-root', join(folder, 'data')],
      ['--exec-root', join(folder, 'exec')],
      ['--pidfile', join(folder, 'docker.pid')],
      ['-H', socket],
      ['--iptables=false', '--ip6tables=false', '--bridge=none'],
    ].flat(),
    options.env === undefined ? {} : { env: options.env },
  );
  const env = {
    DOCKER_HOST: socket,
    DOCKER_CONFIG: config,
    // Content trust on the contributor's machine must not sign or refuse what the suite pushes.
    DOCKER_CONTENT_TRUST: undefined,
    DOCKER_CONTEXT: undefined,
  };
  const docker: Dockerd['docker'] = (args, asked = {}) =>
    run(clientPath(asked.client ?? cli), args, { env });
  await waitFor(
    child,
    'dockerd',
    async () => ((await docker(['version'])).code === 0 ? true : undefined),
    60_000,
  );
  return {
    address: socket,
    docker,
    makeImage: async (name, content) => {
      const root = join(folder, 'rootfs');
      await mustRun('rm', ['-rf', root]);
      await mustRun('mkdir', ['-p', join(root, 'bin')]);
      await mustRun('cp', [clientPath('busybox'), join(root, 'bin', 'busybox')]);
      await mustRun('ln', ['-s', 'busybox', join(root, 'bin', 'sh')]);
      await mustRun('tee', [join(root, 'content')], { input: content });
      await mustRun('tar', ['-C', root, '-cf', join(folder, 'rootfs.tar'), '.']);
      await mustRun(
        clientPath(cli),
        [
          'import',
          '--change',
          'CMD ["/bin/busybox","cat","/content"]',
          join(folder, 'rootfs.tar'),
          name,
        ],
        { env },
      );
    },
    stop: async () => {
      await child.stop();
      await containerd?.stop();
    },
  };
}
