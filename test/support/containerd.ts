import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startChild, waitFor } from './child.ts';
import type { ClientName } from './clients.ts';
import { clientPath } from './clients.ts';
import { run } from './run.ts';

/** A containerd of a suite's own: its socket and all its data are in one folder. */
export interface Containerd {
  /** The socket's path. */
  readonly address: string;
  stop(): Promise<void>;
}

// From 2.0 on the daemon unpacks what it pulls, for the platforms and with the snapshotters of this list.
const UNPACK = `[[plugins."io.containerd.transfer.v1.local".unpack_config]]
  platform = "linux"
  snapshotter = "native"
`;

/** Starts containerd without Kubernetes' plugins and without a snapshotter that needs the kernel's help. */
export async function startContainerd(
  folder: string,
  daemon: Extract<ClientName, 'containerd' | 'containerd-new'>,
): Promise<Containerd> {
  mkdirSync(folder, { recursive: true });
  const address = join(folder, 'containerd.sock');
  const disabled = ['grpc.v1.cri', 'cri.v1.images', 'cri.v1.runtime', 'snapshotter.v1.btrfs'];
  const config = join(folder, 'containerd.toml');
  writeFileSync(
    config,
    `version = 2
root = "${join(folder, 'containerd')}"
state = "${join(folder, 'containerd-state')}"
disabled_plugins = [${disabled.map((plugin) => `"io.containerd.${plugin}"`).join(', ')}]
[grpc]
  address = "${address}"
[ttrpc]
  address = "${address}.ttrpc"
${daemon === 'containerd' ? '' : UNPACK}`,
  );
  const child = startChild(clientPath(daemon), ['--config', config]);
  const ctr = clientPath(daemon === 'containerd' ? 'ctr' : 'ctr-new');
  await waitFor(child, 'containerd', async () =>
    (await run(ctr, ['--address', address, 'version'])).code === 0 ? true : undefined,
  );
  return {
    address,
    stop: async () => {
      await child.stop();
    },
  };
}
