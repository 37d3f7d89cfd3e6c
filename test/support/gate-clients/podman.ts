import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDigest } from '../../../src/oci/digest.ts';
import { clientPath } from '../clients.ts';
import type { ClientSession, GateClient } from '../gate-client.ts';
import { mustRun, run } from '../run.ts';
import { acceptAnything, readDigest, writeRootfs } from './containers-image.ts';
import { layouts } from './layout.ts';

/** podman as root, with a store of its own. */
export const podmanClient: GateClient = {
  name: 'podman',
  needs: ['podman'],
  programs: ['podman'],
  start: (scope) => {
    const folder = join(scope.folder(), 'podman');
    mkdirSync(folder, { recursive: true });
    const env = { REGISTRY_AUTH_FILE: join(folder, 'auth.json') };
    // podman gives up on a credentials file that is named and missing.
    writeFileSync(env.REGISTRY_AUTH_FILE, '{}');
    const base = ['--root', join(folder, 'store'), '--runroot', join(folder, 'run')];
    base.push('--storage-driver', 'vfs', '--events-backend', 'file');
    const podman = (args: readonly string[]) =>
      run(clientPath('podman'), [...base, ...args], { env });
    const made = layouts(folder);
    const plain = ['--tls-verify=false', `--signature-policy=${acceptAnything(folder)}`];
    const push = async (command: readonly string[], from: string, to: string) => {
      const file = join(folder, 'digest');
      rmSync(file, { force: true });
      // `manifest push` knows no policy of its own: that of the machine holds.
      const flags = command[0] === 'push' ? plain : ['--tls-verify=false'];
      const ran = await podman([...command, ...flags, '--digestfile', file, from, to]);
      return { ...ran, digest: ran.code === 0 ? readDigest(file) : null };
    };
    const session: ClientSession = {
      push: async (reference, content) => {
        const rootfs = writeRootfs(folder, content);
        await mustRun(clientPath('podman'), [...base, 'import', rootfs, reference], { env });
        return push(['push'], reference, reference);
      },
      pushAgain: (from, to) => push(['push'], from, to),
      pushIndex: async (reference, index) => {
        const list = `list-${reference.replaceAll(/[^a-z0-9]/g, '-')}`;
        await podman(['rmi', '-f', list]);
        const layout = `oci:${made.write(reference, index)}:image`;
        for (const args of [
          ['create', list],
          ['add', '--all', list, layout],
        ]) {
          await mustRun(clientPath('podman'), [...base, 'manifest', ...args], { env });
        }
        return push(['manifest', 'push', '--all'], list, `docker://${reference}`);
      },
      pull: async (reference) => {
        await podman(['rmi', '-a', '-f']);
        const ran = await podman(['pull', ...plain, reference]);
        const seen = await podman(['image', 'inspect', '--format', '{{.Digest}}', reference]);
        const digest = seen.stdout.trim();
        return { ...ran, digest: ran.code === 0 && isDigest(digest) ? digest : null };
      },
      login: (host, user, password) =>
        podman(['login', '--tls-verify=false', '-u', user, '-p', password, host]),
    };
    return Promise.resolve(session);
  },
};
