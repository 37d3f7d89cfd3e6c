import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDigest } from '../../../src/oci/digest.ts';
import { clientPath } from '../clients.ts';
import type { ClientSession, GateClient } from '../gate-client.ts';
import { mustRun, run } from '../run.ts';
import { acceptAnything, readDigest } from './containers-image.ts';
import { layouts } from './layout.ts';

/** buildah as root, with a store of its own: builds, and makes manifest lists. */
export const buildahClient: GateClient = {
  name: 'buildah',
  needs: ['buildah'],
  programs: ['buildah'],
  start: (scope) => {
    const folder = join(scope.folder(), 'buildah');
    const context = join(folder, 'context');
    mkdirSync(context, { recursive: true });
    writeFileSync(join(context, 'Containerfile'), 'FROM scratch\nCOPY content /content\n');
    const made = layouts(folder);
    const env = { REGISTRY_AUTH_FILE: join(folder, 'auth.json') };
    writeFileSync(env.REGISTRY_AUTH_FILE, '{}');
    const base = ['--root', join(folder, 'store'), '--runroot', join(folder, 'run')];
    base.push('--storage-driver', 'vfs');
    const policy = `--signature-policy=${acceptAnything(folder)}`;
    const buildah = (args: readonly string[]) =>
      run(clientPath('buildah'), [...base, ...args], { env });
    const mustBuildah = (args: readonly string[]) =>
      mustRun(clientPath('buildah'), [...base, ...args], { env });
    const push = async (command: readonly string[], from: string, to: string) => {
      const file = join(folder, 'digest');
      rmSync(file, { force: true });
      const flags = ['--tls-verify=false', policy, '--digestfile', file];
      const ran = await buildah([...command, ...flags, from, `docker://${to}`]);
      return { ...ran, digest: ran.code === 0 ? readDigest(file) : null };
    };
    const session: ClientSession = {
      push: async (reference, content) => {
        writeFileSync(join(context, 'content'), content);
        await mustBuildah(['build', '--isolation=chroot', policy, '-t', reference, context]);
        return push(['push'], reference, reference);
      },
      pushAgain: (from, to) => push(['push'], from, to),
      pushIndex: async (reference, index) => {
        const list = `list-${reference.replaceAll(/[^a-z0-9]/g, '-')}`;
        await buildah(['rmi', list]);
        await mustBuildah(['manifest', 'create', list]);
        const layout = `oci:${made.write(reference, index)}:image`;
        await mustBuildah(['manifest', 'add', '--all', list, layout]);
        return push(['manifest', 'push', '--all'], list, reference);
      },
      pull: async (reference) => {
        await buildah(['rmi', '-a', '-f']);
        const ran = await buildah(['pull', '--tls-verify=false', policy, reference]);
        const asked = ['inspect', '--type', 'image', '--format', '{{.FromImageDigest}}', reference];
        const digest = (await buildah(asked)).stdout.trim();
        return { ...ran, digest: ran.code === 0 && isDigest(digest) ? digest : null };
      },
      login: (host, user, password) =>
        buildah(['login', '--tls-verify=false', '-u', user, '-p', password, host]),
    };
    return Promise.resolve(session);
  },
};
