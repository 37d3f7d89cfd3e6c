import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, it } from 'vitest';
import { request } from 'undici';
import { MEDIA } from '../../src/oci/media-types.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import type { Guarded } from '../support/guarded.ts';
import { BACKENDS, startGuarded } from '../support/guarded.ts';
import { buildImage, pushImage } from '../support/image.ts';
import { suiteScope } from '../support/scope.ts';
import { tarLayer } from '../support/tar.ts';

const ROUNDS = 4;
const image = (content: string) => buildImage({ layers: [tarLayer({ content })] });

for (const backend of BACKENDS) {
  describeWithClients(
    `kill -9 of the gate in front of ${backend}`,
    backend === 'docker-registry' ? ['docker-registry'] : [],
    () => {
      const scope = suiteScope();
      let guarded: Guarded;

      /** The digest that a tag gives a client, or `null` where it gives none. */
      const served = async (name: string): Promise<string | null> => {
        const [path = '', tag = ''] = name.split(':');
        const answer = await request(`${guarded.gate.url}/v2/${path}/manifests/${tag}`, {
          headers: { accept: MEDIA.ociManifest },
        });
        await answer.body.dump();
        return answer.statusCode === 200 ? String(answer.headers['docker-content-digest']) : null;
      };
      const eventually = async (name: string): Promise<string | null> => {
        const end = performance.now() + 20_000;
        for (;;) {
          const digest = await served(name);
          if (digest !== null || performance.now() > end) return digest;
          await sleep(100);
        }
      };

      beforeAll(async () => {
        guarded = await startGuarded(scope, backend);
      });

      it('serves what was signed (the positive control)', async () => {
        const digest = await guarded.pushSigned('reject/control:1', image('control\n'));
        expect(await served('reject/control:1')).toBe(digest);
      });

      it('loses no hold that was answered', async () => {
        const acknowledged = new Map<string, string>();
        for (let round = 0; round < ROUNDS; round++) {
          const pushing = Promise.allSettled(
            Array.from({ length: 8 }, async (_, n) => {
              const name = `hold/kill${round}-${n}`;
              const one = image(`${name}\n`);
              await pushImage(guarded.gate.url, name, one, '1');
              acknowledged.set(name, one.digest);
            }),
          );
          // Each round strikes at another moment of the pushes.
          await sleep(15 * (round + 1));
          await guarded.gate.kill();
          await pushing;
          await guarded.gate.start();
        }
        await pushImage(guarded.gate.url, 'hold/last', image('last\n'), '1');
        acknowledged.set('hold/last', image('last\n').digest);
        await guarded.sign([...acknowledged.keys()].map((name) => `${name}:1`));
        for (const [name, digest] of acknowledged) {
          expect(await eventually(`${name}:1`)).toBe(digest);
        }
      });

      it('finishes every promotion whose signature was answered', async () => {
        for (let round = 0; round < ROUNDS; round++) {
          const names = [0, 1, 2].map((n) => `hold/promote${round}-${n}`);
          const images = names.map((name) => image(`${name}\n`));
          for (const [n, name] of names.entries()) {
            await pushImage(guarded.gate.url, name, images[n] ?? image(''), '1');
          }
          const signing = names.map(async (name) => {
            const ran = await guarded.site.cli([
              'sign',
              `${guarded.gate.host}/${name}:1`,
              '--key',
              'release-bot',
            ]);
            return ran.code === 0;
          });
          // A command takes some 300 ms to reach the gate; strike around its answers.
          await sleep(300 + 80 * round);
          await guarded.gate.kill();
          const signed = await Promise.all(signing);
          await guarded.gate.start();
          for (const [n, name] of names.entries()) {
            if (signed[n] !== true) await guarded.sign(`${name}:1`);
            expect(await eventually(`${name}:1`)).toBe(images[n]?.digest);
          }
        }
      });

      it('still serves what was signed before', async () => {
        expect(await served('reject/control:1')).toBe(image('control\n').digest);
      });
    },
  );
}
