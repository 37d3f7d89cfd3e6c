import { join } from 'node:path';
import { clientPath } from '../clients.ts';
import { startContainerd } from '../containerd.ts';
import type { ClientSession, GateClient, Moved } from '../gate-client.ts';
import { moved } from '../gate-client.ts';
import type { Ran } from '../run.ts';
import { mustRun, run } from '../run.ts';
import { layouts } from './layout.ts';

/** containerd's `ctr` of one generation, with a containerd of its own. */
export function ctrClient(cli: 'ctr' | 'ctr-new'): GateClient {
  const daemon = cli === 'ctr' ? 'containerd' : 'containerd-new';
  return {
    name: cli,
    needs: [cli, daemon],
    programs: [daemon],
    // It asks for a tag before it pushes it. Of who is nobody, the gate cannot tell a push from a pull.
    identified: true,
    start: async (scope) => {
      const folder = join(scope.folder(), cli);
      const containerd = scope.own(await startContainerd(folder, daemon));
      const made = layouts(folder);
      // ctr keeps no credentials: a person gives them with each command.
      let user: readonly string[] = [];
      const ctr = (args: readonly string[]) =>
        run(clientPath(cli), ['--address', containerd.address, 'images', ...args]);
      const digestOf = async (reference: string, ran: Ran): Promise<Moved> => {
        const { stdout } = await ctr(['ls', `name==${reference}`]);
        return { ...ran, digest: moved({ ...ran, stdout }, /\s(sha256:[0-9a-f]{64})\s/).digest };
      };
      const send = async (from: string, to: string): Promise<Moved> =>
        digestOf(from, await ctr(['push', '--plain-http', ...user, to, from]));
      const load = async (reference: string, layout: string): Promise<void> => {
        const archive = join(folder, 'image.tar');
        await mustRun('tar', ['-C', layout, '-cf', archive, '.']);
        const image = reference.replaceAll(/[^a-z0-9]/g, '-');
        const imported = ['import', '--all-platforms', '--no-unpack', '--base-name', image];
        const ran = await ctr([...imported, archive]);
        if (ran.code !== 0) throw new Error(ran.output);
        await ctr(['rm', reference]);
        const tagged = await ctr(['tag', `${image}:image`, reference]);
        if (tagged.code !== 0) throw new Error(tagged.output);
      };
      const push = async (reference: string, layout: string): Promise<Moved> => {
        await load(reference, layout);
        return send(reference, reference);
      };
      const session: ClientSession = {
        push: (reference, content) => push(reference, made.writeContent(reference, content)),
        pushAgain: send,
        pushIndex: (reference, index) => push(reference, made.write(reference, index)),
        pull: async (reference) => {
          const old = (await ctr(['ls', '-q'])).stdout.split('\n').filter(Boolean);
          // --sync: the content goes too, before this returns; else it would be taken from there.
          if (old.length > 0) await ctr(['rm', '--sync', ...old]);
          const pulled = ['pull', '--plain-http', '--snapshotter', 'native', ...user, reference];
          return digestOf(reference, await ctr(pulled));
        },
        login: (_host, name, password) => {
          user = ['--user', `${name}:${password}`];
          return Promise.resolve({ code: 0, stdout: '', stderr: '', output: '' });
        },
      };
      return session;
    },
  };
}
