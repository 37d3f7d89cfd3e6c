import { beforeAll, expect, it } from 'vitest';
import { describeWithClients } from '../support/describe-with-clients.ts';
import { gateCases } from '../support/gate-cases.ts';
import type { ClientSession } from '../support/gate-client.ts';
import { ctrClient } from '../support/gate-clients/ctr.ts';
import { failing, image, notSigned, said } from '../support/gate-stage.ts';
import type { Guarded } from '../support/guarded.ts';
import { startGuarded } from '../support/guarded.ts';
import { pushImage } from '../support/image.ts';
import { suiteScope } from '../support/scope.ts';

gateCases(ctrClient('ctr'));
gateCases(ctrClient('ctr-new'), ['docker-registry']);

// containerd gives a push up where its HEAD of the tag is answered with anything but 200 or 404.
describeWithClients('ctr without an identity', ['ctr', 'containerd', 'docker-registry'], () => {
  const scope = suiteScope();
  let guarded: Guarded;
  let session: ClientSession;
  const at = (name: string): string => `${guarded.gate.host}/${name}`;

  beforeAll(async () => {
    guarded = await startGuarded(scope, 'docker-registry');
    session = await ctrClient('ctr').start(scope);
  });

  it('pulls what is signed, and is told why not where it is not', async () => {
    await guarded.pushSigned('reject/app:1', image('signed\n'));
    expect(said(await session.pull(at('reject/app:1')))).toMatch(/^done sha256:/);
    // Behind the gate's back: who has pushed from this address is taken for a pusher for a while.
    await pushImage(guarded.upstream?.url ?? '', 'allow/other', image('unsigned\n'), '1');
    expect(said(await session.pull(at('allow/other:1')))).toMatch(notSigned('allow'));
  });

  it('pushes over a tag that names something unsigned', async () => {
    await session.push(at('allow/over:1'), 'unsigned\n');
    const second = said(await session.push(at('allow/over:1'), 'unsigned too\n'));
    expect(second).toMatch(/^done sha256:/);
    await guarded.sign('allow/over:1');
    expect(said(await session.pull(at('allow/over:1')))).toBe(second);
  });

  it('pulls nothing unsigned for having pushed it', async () => {
    const pushed = await session.push(at('allow/mine:1'), 'mine\n');
    expect(said(pushed)).toMatch(/^done sha256:/);
    const refused = failing('(?:not found|not signed)');
    expect(said(await session.pull(at('allow/mine:1')))).toMatch(refused);
    expect(said(await session.pull(at(`allow/mine@${pushed.digest}`)))).toMatch(refused);
  });
});
