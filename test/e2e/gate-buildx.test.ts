import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import type { MatrixColumn } from '../../docs/client-matrix.ts';
import { proves, shownAs } from '../support/client-matrix.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import type { Dockerd } from '../support/dockerd.ts';
import { startDockerd } from '../support/dockerd.ts';
import { failing, image, notSigned, said } from '../support/gate-stage.ts';
import { withAttestations } from '../support/attested.ts';
import { moved } from '../support/gate-client.ts';
import type { Guarded } from '../support/guarded.ts';
import { PASSWORD, PUSHER, READER, startGuarded } from '../support/guarded.ts';
import { pushImage } from '../support/image.ts';
import { suiteScope } from '../support/scope.ts';

const ENGINE = ['docker-new', 'dockerd-new', 'containerd-new'] as const;

// buildx pulls the images that a build begins with, and pushes indexes whose children nobody names.
describeWithClients(
  'buildx through the gate',
  ['buildx', ...ENGINE, 'docker-registry', 'htpasswd'],
  () => {
    const scope = suiteScope();
    let guarded: Guarded;
    let engine: Dockerd;
    const at = (name: string): string => `${guarded.gate.host}/${name}`;
    const become = (user: string) =>
      engine.docker(['login', '-u', user, '-p', PASSWORD, guarded.gate.host]);
    const buildx = async (...args: readonly string[]): Promise<string> =>
      said(await engine.docker(args, { client: 'buildx' }));
    const proved = (column: MatrixColumn, value?: string): void =>
      proves(
        { name: 'buildx', programs: ['buildx', 'dockerd-new'] },
        'docker-registry',
        column,
        value,
      );
    /** A build of one file on top of `from`. */
    const build = (from: string, ...flags: readonly string[]): Promise<string> => {
      const context = join(scope.folder(), 'context');
      mkdirSync(context, { recursive: true });
      writeFileSync(join(context, 'content'), flags.join(' '));
      writeFileSync(join(context, 'Dockerfile'), `FROM ${from}\nCOPY content /content\n`);
      return buildx('build', '--progress=plain', ...flags, context);
    };
    const PLATFORMS = ['--platform', 'linux/amd64,linux/arm64', '--provenance=true', '--push'];

    beforeAll(async () => {
      guarded = await startGuarded(scope, 'docker-registry', { identities: true });
      engine = scope.own(
        await startDockerd(join(scope.folder(), 'engine'), { store: 'containerd' }),
      );
    });

    it('builds from a signed image', async () => {
      await become(READER);
      await guarded.pushSigned('reject/base:1', image('base\n'));
      expect(await build(at('reject/base:1'), '--output', 'type=cacheonly')).toMatch(/^done/);
      proved('pull signed');
    });

    it('does not build from an unsigned one, and says why', async () => {
      await become(READER);
      await pushImage(guarded.gate.url, 'allow/base', image('unsigned\n'), '1', guarded.headers);
      const refused = await build(at('allow/base:1'), '--output', 'type=cacheonly');
      expect(refused).toMatch(notSigned('allow'));
      proved('pull unsigned', `refused: ${shownAs(refused) ?? 'no reason'}`);
    });

    it('is refused an unsigned build of two platforms where policy rejects it, and says why', async () => {
      await become(PUSHER);
      const refused = await build('scratch', ...PLATFORMS, '-t', at('reject/app:1'));
      expect(refused).toMatch(notSigned('reject'));
      proved('push unsigned', `refused: ${shownAs(refused) ?? 'no reason'}`);
    });

    it('has a build of two platforms and their provenance held until it is signed', async () => {
      await become(PUSHER);
      const file = join(scope.folder(), 'metadata.json');
      const flags = [...PLATFORMS, '--metadata-file', file, '-t', at('hold/app:1')];
      expect(await build('scratch', ...flags)).toMatch(/^done/);
      const digest = builtDigest(file);
      // The same build again makes another provenance: a second hold beside the first.
      expect(await build('scratch', ...flags)).toMatch(/^done/);
      const again = builtDigest(file);
      expect(again).not.toBe(digest);

      await become(READER);
      expect(await buildx('imagetools', 'inspect', at('hold/app:1'))).toMatch(
        failing('is held until it is signed'),
      );
      await guarded.sign(`hold/app@${again}`);
      const inspected = await buildx('imagetools', 'inspect', '--raw', at('hold/app:1'));
      expect(inspected).toMatch(/^done/);
      const pulled = await engine.docker(['pull', '--platform', 'linux/arm64', at('hold/app:1')]);
      expect(moved(pulled, /^Digest: (\S+)$/m).digest).toBe(again);
      proved('hold');
      proved('multi-arch', 'pull, push, attestations');
    });

    it('gives a second tag to what is signed, where policy rejects the unsigned', async () => {
      await become(PUSHER);
      const index = withAttestations([image('signed amd64\n'), image('signed arm64\n')]);
      await guarded.pushSigned('reject/multi:1', index);
      const tag = ['imagetools', 'create', '-t', at('reject/multi:2'), at('reject/multi:1')];
      expect(await buildx(...tag)).toMatch(/^done/);
      await become(READER);
      const pulled = await engine.docker(['pull', at('reject/multi:2')]);
      expect(moved(pulled, /^Digest: (\S+)$/m).digest).toBe(index.digest);
      proved('push signed');
    });
  },
);

/** The digest that buildx wrote down for what it pushed. */
function builtDigest(file: string): string {
  const written: unknown = JSON.parse(readFileSync(file, 'utf8'));
  const members = written as { readonly 'containerimage.digest': string };
  return members['containerimage.digest'];
}
