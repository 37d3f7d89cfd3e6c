import { beforeAll, expect, it } from 'vitest';
import { describeWithClients } from '../support/describe-with-clients.ts';
import { gateCases } from '../support/gate-cases.ts';
import type { ClientSession } from '../support/gate-client.ts';
import { ctrClient } from '../support/gate-clients/ctr.ts';
import { newDockerClient } from '../support/gate-clients/docker.ts';
import { failing, image, notSigned, said } from '../support/gate-stage.ts';
import type { Guarded } from '../support/guarded.ts';
import { startGuarded } from '../support/guarded.ts';
import { buildIndex, pushImage } from '../support/image.ts';
import { suiteScope } from '../support/scope.ts';

gateCases(ctrClient('ctr'));
gateCases(ctrClient('ctr-new'), ['docker-registry']);

// containerd gives a push up where its HEAD of the tag is answered with anything but 200 or 404, and
// shows the reason of nothing but a refusal that is neither.
for (const client of [ctrClient('ctr'), ctrClient('ctr-new'), newDockerClient]) {
  const needs = [...client.needs, 'docker-registry'] as const;
  describeWithClients(`${client.name} without an identity`, needs, () => {
    const scope = suiteScope();
    let guarded: Guarded;
    let session: ClientSession;
    const at = (name: string): string => `${guarded.gate.host}/${name}`;

    beforeAll(async () => {
      guarded = await startGuarded(scope, 'docker-registry');
      session = await client.start(scope);
    });

    const push = async (name: string, content: string): Promise<string> =>
      said(await session.push(at(name), content));
    const pull = async (name: string): Promise<string> => said(await session.pull(at(name)));

    it('pulls what is signed, and is told why not where it is not', async () => {
      await guarded.pushSigned('reject/app:1', image('signed\n'));
      expect(await pull('reject/app:1')).toMatch(/^done sha256:/);
      // Behind the gate's back: who has pushed from this address is taken for a pusher for a while.
      await pushImage(guarded.upstream?.url ?? '', 'allow/other', image('unsigned\n'), '1');
      expect(await pull('allow/other:1')).toMatch(notSigned('allow'));
    });

    it('pushes over a tag that names something unsigned', async () => {
      await push('allow/over:1', 'unsigned\n');
      const second = await push('allow/over:1', 'unsigned too\n');
      expect(second).toMatch(/^done sha256:/);
      await guarded.sign('allow/over:1');
      expect(await pull('allow/over:1')).toBe(second);
    });

    it('pushes one image under two tags, one after the other, and the first of them again', async () => {
      const pushed = await push('hold/tags:1', 'two tags\n');
      expect(pushed).toMatch(/^done sha256:/);
      for (const tag of ['2', '1'])
        expect(said(await session.pushAgain(at('hold/tags:1'), at(`hold/tags:${tag}`)))).toBe(
          pushed,
        );
    });

    it('is told, as soon as it has pushed an image, why it cannot pull it', async () => {
      expect(await push('allow/mine:1', 'mine\n')).toMatch(/^done sha256:/);
      expect(await pull('allow/mine:1')).toMatch(notSigned('allow'));
      expect(await push('hold/mine:1', 'mine\n')).toMatch(/^done sha256:/);
      expect(await pull('hold/mine:1')).toMatch(failing('is held until it is signed'));
    });

    it('is told the same of an index, which it pushes again all the same', async () => {
      const index = buildIndex([image('one\n'), image('two\n')]);
      for (const _ of ['once', 'again']) {
        const pushed = await session.pushIndex?.(at('hold/index:1'), index);
        expect(pushed === undefined ? 'none' : said(pushed)).toMatch(/^done sha256:/);
        expect(await pull('hold/index:1')).toMatch(failing('is held until it is signed'));
      }
    });
  });
}
