import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { clientPath } from '../support/clients.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import { gateCases } from '../support/gate-cases.ts';
import { acceptAnything } from '../support/gate-clients/containers-image.ts';
import { skopeoClient } from '../support/gate-clients/skopeo.ts';
import type { Guarded } from '../support/guarded.ts';
import { startGuarded } from '../support/guarded.ts';
import type { TestImage } from '../support/image.ts';
import { buildImage, buildIndex, writeOciLayout } from '../support/image.ts';
import { mustRun, run } from '../support/run.ts';
import { suiteScope } from '../support/scope.ts';
import { tarLayer } from '../support/tar.ts';

gateCases(skopeoClient('skopeo'));
gateCases(skopeoClient('skopeo-1.18'), ['docker-registry']);

const image = (content: string) => buildImage({ layers: [tarLayer({ content })] });

// skopeo sends an index and its children byte for byte, which docker and podman do not.
describeWithClients(
  'skopeo copy --all through the gate',
  ['skopeo', 'umoci', 'docker-registry'],
  () => {
    const scope = suiteScope();
    let guarded: Guarded;
    const skopeo = (args: readonly string[]) =>
      run(clientPath('skopeo'), [
        '--policy',
        acceptAnything(scope.folder()),
        'copy',
        '--all',
        ...args,
      ]);
    const copyIn = (made: TestImage, name: string) => {
      const layout = join(scope.folder(), name.replaceAll(/\W/g, '-'));
      mkdirSync(layout);
      writeOciLayout(layout, made, 'image');
      const to = `docker://${guarded.gate.host}/${name}`;
      return skopeo(['--preserve-digests', '--dest-tls-verify=false', `oci:${layout}:image`, to]);
    };
    const copyOut = (name: string) =>
      skopeo([
        '--src-tls-verify=false',
        `docker://${guarded.gate.host}/${name}`,
        `dir:${join(scope.folder(), 'out')}`,
      ]);

    beforeAll(async () => {
      guarded = await startGuarded(scope, 'docker-registry');
    });

    it('gives another tag to what is signed, where policy rejects the unsigned', async () => {
      await guarded.pushSigned('reject/again:1', image('again\n'));
      expect(await copyIn(image('again\n'), 'reject/again:2')).toMatchObject({ code: 0 });
      expect(await copyOut('reject/again:2')).toMatchObject({ code: 0 });
      expect(await copyIn(image('not again\n'), 'reject/again:3')).toMatchObject({
        output: expect.stringMatching(/not signed: policy reject needs release-bot/),
      });
    });

    it('has a whole index held, and pulls all of it once it is signed', async () => {
      const index = buildIndex([image('held amd64\n'), image('held arm64\n')]);
      expect(await copyIn(index, 'hold/multi:1')).toMatchObject({ code: 0 });
      expect(await copyOut('hold/multi:1')).toMatchObject({
        output: expect.stringMatching(/is held until it is signed/),
      });
      await guarded.sign('hold/multi:1');
      expect(await copyOut('hold/multi:1')).toMatchObject({ code: 0 });
      for (const child of index.children) {
        expect(await copyOut(`hold/multi@${child.digest}`)).toMatchObject({ code: 0 });
      }
    });

    it('carries what umoci made into a hold and, once it is signed, out of it', async () => {
      const layout = join(scope.folder(), 'umoci');
      const umoci = (...args: readonly string[]) => mustRun(clientPath('umoci'), args);
      await umoci('init', '--layout', layout);
      await umoci('new', '--image', `${layout}:made`);
      await umoci('config', '--image', `${layout}:made`, '--author', 'me');
      const to = `docker://${guarded.gate.host}/hold/umoci:1`;
      const copied = await skopeo(['--dest-tls-verify=false', `oci:${layout}:made`, to]);
      expect(copied).toMatchObject({ code: 0 });
      expect(await copyOut('hold/umoci:1')).toMatchObject({
        output: expect.stringMatching(/is held until it is signed/),
      });
      await guarded.sign('hold/umoci:1');
      const back = join(scope.folder(), 'umoci-back');
      const out = await skopeo(['--src-tls-verify=false', to, `oci:${back}:made`]);
      expect(out).toMatchObject({ code: 0 });
      const stated = await umoci('stat', '--image', `${back}:made`);
      expect(stated.code).toBe(0);
    });
  },
);
