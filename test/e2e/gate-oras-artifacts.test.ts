import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { clientPath } from '../support/clients.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import { failing, image, notSigned, said } from '../support/gate-stage.ts';
import type { Guarded } from '../support/guarded.ts';
import { PASSWORD, PUSHER, READER, startGuarded } from '../support/guarded.ts';
import type { TestImage } from '../support/image.ts';
import { run } from '../support/run.ts';
import { suiteScope } from '../support/scope.ts';

const TYPES = ['application/x.notes', 'application/x.report', 'application/x.sbom'];

// What oras does beyond images: files under a tag, and files that are attached to an image. Where the
// registry has no referrers API, oras keeps their list under a tag by itself, and deletes the list
// that it replaced.
describeWithClients(
  'oras artifacts through the gate',
  ['oras', 'docker-registry', 'htpasswd'],
  () => {
    const scope = suiteScope();
    let guarded: Guarded;
    let signed: TestImage;
    const at = (name: string): string => `${guarded.gate.host}/${name}`;
    const command = (user: string, args: readonly string[]): Parameters<typeof run> => {
      const folder = join(scope.folder(), user);
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'notes.txt'), `by ${user}\n`);
      const auth = Buffer.from(`${user}:${PASSWORD}`).toString('base64');
      const auths = { [guarded.gate.host]: { auth } };
      writeFileSync(join(folder, 'config.json'), JSON.stringify({ auths }));
      const env = { DOCKER_CONFIG: folder, HOME: folder };
      return [clientPath('oras'), args, { env, cwd: folder }];
    };
    const oras = async (user: string, ...args: readonly string[]): Promise<string> =>
      said(await run(...command(user, args)));
    const attach = (to: string, type: string): Promise<string> =>
      oras(PUSHER, 'attach', '--no-tty', '--plain-http', '--artifact-type', type, to, 'notes.txt');
    /** The types of what is attached, in order; what oras said where it failed. */
    const discover = async (user: string, to: string): Promise<readonly string[]> => {
      const ran = await run(...command(user, ['discover', '--plain-http', '--format', 'json', to]));
      if (ran.code !== 0) return [said(ran)];
      return [...ran.stdout.matchAll(/"artifactType": *"([^"]+)"/g)]
        .map(([, type]) => type ?? '')
        .sort();
    };

    beforeAll(async () => {
      guarded = await startGuarded(scope, 'docker-registry', { identities: true });
      signed = image('to attach to\n');
      await guarded.pushSigned('reject/app:1', signed);
    });

    it('has pushed files held until they are signed, and pulls them then', async () => {
      const pushed = await oras(
        PUSHER,
        'push',
        '--no-tty',
        '--plain-http',
        at('hold/files:1'),
        'notes.txt',
      );
      expect(pushed).toMatch(/^done/);
      const pull = () => oras(READER, 'pull', '--no-tty', '--plain-http', at('hold/files:1'));
      expect(await pull()).toMatch(failing('is held until it is signed'));
      await guarded.sign('hold/files:1');
      expect(await pull()).toMatch(/^done/);
    });

    it('is refused files under a tag where policy rejects the unsigned, and says why', async () => {
      const pushed = await oras(
        PUSHER,
        'push',
        '--no-tty',
        '--plain-http',
        at('reject/files:1'),
        'notes.txt',
      );
      expect(pushed).toMatch(notSigned('reject'));
    });

    it('copies a signed image to another tag of the repository', async () => {
      const copied = ['cp', '--no-tty', '--from-plain-http', '--to-plain-http'];
      expect(await oras(PUSHER, ...copied, at('reject/app:1'), at('reject/app:2'))).toMatch(
        /^done/,
      );
      expect(await oras(READER, 'manifest', 'fetch', '--plain-http', at('reject/app:2'))).toMatch(
        /^done/,
      );
    });

    it('attaches to an image again and again, and everybody finds all of it', async () => {
      const subject = at(`reject/app@${signed.digest}`);
      for (const type of TYPES) {
        expect(await attach(subject, type)).toMatch(/^done/);
      }
      for (const user of [PUSHER, READER]) expect(await discover(user, subject)).toEqual(TYPES);
    });
  },
);
